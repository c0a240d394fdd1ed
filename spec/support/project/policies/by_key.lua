return { key = function(msg) return msg.key end, ttl = "1h" }
