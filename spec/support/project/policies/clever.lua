return function(failure) return failure.attempt < 3 and 1 or nil end
