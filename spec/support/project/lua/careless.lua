missing_global()
