return { atempts = 20 }
