# The addresses of a stage: custom domains, and addresses that are managed elsewhere

variable "websocket_domain" {
  type = object({
    name            = string
    certificate_arn = string
  })
  description = "Custom domain of the WebSocket API, and the ARN of its ACM certificate in this Region; null for none. Clients connect to this domain, and functions post to clients through it."
  default     = null

  validation {
    condition     = var.websocket_domain == null || var.management_endpoint == null
    error_message = "Set either websocket_domain, or management_endpoint for a domain that is managed elsewhere, not both."
  }

  validation {
    condition     = var.websocket_domain == null || can(regex("^arn:[^:]+:acm:${var.aws_region}:", var.websocket_domain.certificate_arn))
    error_message = "Use the ARN of an ACM certificate in the stage's Region: a regional domain accepts no other."
  }
}

variable "callback_domain" {
  type = object({
    name            = string
    certificate_arn = string
  })
  description = "Custom domain of the HTTP API, and the ARN of its ACM certificate in this Region; null for none. The provider posts to it."
  default     = null

  validation {
    condition     = var.callback_domain == null || var.callback_endpoint == null
    error_message = "Set either callback_domain, or callback_endpoint for a domain that is managed elsewhere, not both."
  }

  validation {
    condition     = var.callback_domain == null || can(regex("^arn:[^:]+:acm:${var.aws_region}:", var.callback_domain.certificate_arn))
    error_message = "Use the ARN of an ACM certificate in the stage's Region: a regional domain accepts no other."
  }
}

variable "disable_execute_api_endpoint" {
  type        = bool
  description = "Serve both APIs on their custom domains only. Clients and the provider must use the domains before this is set."
  default     = false

  validation {
    condition     = !var.disable_execute_api_endpoint || ((var.websocket_domain != null || var.management_endpoint != null) && (var.callback_domain != null || var.callback_endpoint != null))
    error_message = "Give both APIs a custom domain first: without one, nobody could reach them."
  }
}

variable "management_endpoint" {
  type        = string
  description = "URL of the WebSocket API if it has a custom domain that is managed elsewhere, for example https://events.example.com. Clients connect to it over wss, and functions post through it."
  default     = null

  validation {
    condition     = var.management_endpoint == null || can(regex("^https://[^/]+(/[^/]+)*$", var.management_endpoint))
    error_message = "Use a URL that starts with https:// and does not end with a slash."
  }
}

variable "callback_endpoint" {
  type        = string
  description = "URL of the HTTP API if it has a custom domain that is managed elsewhere, for example https://hooks.example.com."
  default     = null

  validation {
    condition     = var.callback_endpoint == null || can(regex("^https://[^/]+(/[^/]+)*$", var.callback_endpoint))
    error_message = "Use a URL that starts with https:// and does not end with a slash."
  }
}

variable "sagemaker_topic_arns" {
  type        = list(string)
  description = "ARNs of the SNS topics to which SageMaker asynchronous endpoints report success and errors, in this account and region."
  default     = []

  validation {
    condition     = alltrue([for arn in var.sagemaker_topic_arns : can(regex("^arn:aws[a-z-]*:sns:${var.aws_region}:${var.aws_account_id}:[A-Za-z0-9_-]+$", arn))])
    error_message = "Use ARNs of standard topics in the stage's account and region, for example arn:aws:sns:eu-central-1:123456789012:inference-success."
  }

  validation {
    condition     = length(distinct(var.sagemaker_topic_arns)) == length(var.sagemaker_topic_arns)
    error_message = "Name each topic once."
  }
}
