variable "name" {
  type        = string
  description = "Prefix of the alarms' names, and name of the dashboard, for example herald-dev."
}

variable "stage" {
  type        = string
  description = "Value of the dimension Stage in Herald's own metrics."
}

variable "region" {
  type        = string
  description = "Region whose metrics the dashboard shows."
}

variable "notify_topic_arn" {
  type        = string
  description = "ARN of the topic that is notified when an alarm is raised and when it returns to OK."
}

variable "topics" {
  type = object({
    errors = string
    events = string
  })
  description = "Names of the topics."
}

variable "queues" {
  type = object({
    dead_letter              = string
    keep                     = optional(string)
    keep_dead_letter         = optional(string)
    main                     = string
    subscription_dead_letter = string
  })
  description = "Names of the queues; those of keep are null if outputs are not kept."
}

variable "functions" {
  type        = map(string)
  description = "Name of each function, by its handler's name."

  validation {
    condition     = alltrue([for handler in ["authorize", "reconcile", "relay"] : contains(keys(var.functions), handler)])
    error_message = "Include authorize, reconcile and relay, which have alarms of their own."
  }
}

variable "callback_topics" {
  type        = bool
  description = "Whether SNS topics invoke callback, too. The HTTP API does not count those failures."
  default     = false
}

variable "alarm_providers" {
  type        = set(string)
  description = "Providers that get an alarm of their own for overdue generations."
  default     = []
}

variable "lean" {
  type        = bool
  description = "Only the alarms that report lost or late events and failing functions, and no dashboard."
  default     = false
}

variable "tables" {
  type        = map(string)
  description = "Name of each table whose throttling raises an alarm."
}

variable "websocket_api" {
  type = object({
    id    = string
    stage = string
  })
  description = "Id and stage of the WebSocket API."
}

variable "callback_api" {
  type = object({
    id    = string
    stage = string
  })
  description = "Id and stage of the HTTP API."
}
