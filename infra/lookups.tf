# Look-ups at providers: their pace, their addresses, and their alarms

variable "generation_deadline_seconds" {
  type        = number
  description = "Seconds after which a PENDING generation of a provider ends with the error timeout; 0 for no deadline. A deadline_at in the row takes precedence. Generations in a batch have at least 25 hours."
  default     = 3600

  validation {
    condition     = var.generation_deadline_seconds == 0 || (var.generation_deadline_seconds >= 60 && floor(var.generation_deadline_seconds) == var.generation_deadline_seconds)
    error_message = "Use a whole number of seconds, at least 60, or 0 for none."
  }
}

variable "provider_apis" {
  type        = map(string)
  description = "Base URLs that replace the default ones of providers' APIs, for example { bfl = \"https://api.eu.bfl.ai\" }. A URL without a path replaces only the host."
  default     = {}

  validation {
    condition     = alltrue([for url in values(var.provider_apis) : can(regex("^https://[^/?#@]+(/[^?#]*)?$", url))])
    error_message = "Use URLs that start with https://, without user information, query or fragment."
  }
}

variable "alarm_providers" {
  type        = set(string)
  description = "Providers that get an alarm of their own for overdue generations, for example [\"replicate\"], in addition to the alarm for all providers."
  default     = []

  validation {
    condition     = alltrue([for name in var.alarm_providers : can(regex("^[a-z0-9][a-z0-9-]{0,39}$", name))])
    error_message = "Use the providers' names in the callback path: a-z, 0-9 and -."
  }
}
