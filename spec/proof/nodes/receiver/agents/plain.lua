return require "work"("plain@proof", "none")
