return "the root"
