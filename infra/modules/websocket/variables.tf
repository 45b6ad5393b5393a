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
  description = "Invoke ARN of the function that decides who connects."
}

variable "invoke_arns" {
  type = object({
    connect    = string
    disconnect = string
    message    = string
  })
  description = "Invoke ARN of the function behind each route; message is behind $default."
}

variable "access_log_group_name" {
  type        = string
  description = "Name of the log group for the access log."
}

variable "logs_key_arn" {
  type        = string
  description = "Key that encrypts the log group."
}

variable "log_retention_days" {
  type        = number
  description = "Days the access log is kept."
}

variable "throttling_rate_limit" {
  type        = number
  description = "Steady requests per second (connects, frames, disconnects) over all clients."
}

variable "throttling_burst_limit" {
  type        = number
  description = "Requests that may come at once above the steady rate."
}

variable "detailed_metrics" {
  type        = bool
  description = "CloudWatch metrics per route beside those of the stage; each is billed."
  default     = false
}

variable "manage_api_gateway_account" {
  type        = bool
  description = "Set the account's API Gateway logging role; false where the account has one already."
}
