variable "name" {
  type        = string
  description = "Name of the API, for example herald-dev."
}

variable "stage" {
  type        = string
  description = "Name of the API's stage."
}

variable "authorizer_invoke_arn" {
  type        = string
  description = "Invoke ARN of the function that decides who may connect."
}

variable "invoke_arns" {
  type = object({
    connect    = string
    disconnect = string
    message    = string
  })
  description = "Invoke ARN of the function for each route; message is for $default."
}

variable "access_log_group_name" {
  type        = string
  description = "Name of the access log's log group."
}

variable "logs_key_arn" {
  type        = string
  description = "ARN of the key that encrypts the log group."
}

variable "log_retention_days" {
  type        = number
  description = "Number of days for which the access log is kept."
}

variable "throttling_rate_limit" {
  type        = number
  description = "Steady rate of requests (connects, frames, disconnects) per second, over all clients."
}

variable "throttling_burst_limit" {
  type        = number
  description = "Number of requests by which a burst may exceed the steady rate."
}

variable "detailed_metrics" {
  type        = bool
  description = "Send CloudWatch metrics for each route, in addition to those of the stage; AWS bills each of them."
  default     = false
}

variable "disable_execute_api_endpoint" {
  type        = bool
  description = "Serve the API on its custom domain only."
  default     = false
}
