local circle = require "circle"

return circle
