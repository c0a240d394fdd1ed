return require "work"("once@proof", { ttl = "24h" })
