--- What a function raises, as text; nil when it does not.
return function(body, ...)
  local ok, fault = pcall(body, ...)
  if ok then return nil end
  return tostring(fault), fault
end
