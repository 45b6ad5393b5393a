variable "name" {
  type        = string
  description = "Domain name, for example events.example.com."

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z0-9-]{2,}$", var.name))
    error_message = "Use a host name in lower case without scheme and path, for example events.example.com."
  }
}

variable "certificate_arn" {
  type        = string
  description = "ARN of the domain's issued ACM certificate, in the Region of the API."
}

variable "api_id" {
  type        = string
  description = "Id of the API that the domain serves."
}

variable "stage" {
  type        = string
  description = "Name of the API's stage."
}
