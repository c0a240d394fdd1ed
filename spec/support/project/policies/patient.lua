return { attempts = 20, first = "5s" }
