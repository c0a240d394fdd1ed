-- For work that may wait: 1 s, 2 s, 4 s ... up to an hour, for a day. Use it by name: retry = "patient".
return { attempts = math.huge, first = "1s", factor = 2, cap = "1h", jitter = 0.1, deadline = "24h" }
