--- Signatures for webhooks: a name that is reserved.
require("moonpost.errors").not_yet("moonpost.webhook")
