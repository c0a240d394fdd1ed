-- For somebody who is waiting: three tries within a second. Use it by name: retry = "quick".
return { attempts = 3, delays = { "100ms", "400ms" }, jitter = 0 }
