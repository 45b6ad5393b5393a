# Naming

variable "stage" {
  type        = string
  description = "Name of this deployment; part of every name and of the WebSocket URL."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,19}$", var.stage))
    error_message = "Use 1 to 20 lower-case letters, digits and hyphens, starting with a letter."
  }
}

variable "name_prefix" {
  type        = string
  description = "Prefix of topic and queue names, to hold several stages in one account, for example \"dev-\"."
  default     = ""

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{0,30}$", var.name_prefix))
    error_message = "Use at most 30 letters, digits, hyphens and underscores."
  }
}

variable "tags" {
  type        = map(string)
  description = "Tags for everything, beside Application and Stage."
  default     = {}
}

# Functions

variable "package_path" {
  type        = string
  description = "Deployment package, relative to this folder."
  default     = "../build/package/deployment.zip"

  validation {
    condition     = fileexists(var.package_path)
    error_message = "There is no deployment package: run `make package` first."
  }
}

variable "lambda_runtime" {
  type        = string
  description = "Lambda runtime: the Python version that built the package."
  default     = "python3.11"

  validation {
    condition     = can(regex("^python3\\.1[1-9]$", var.lambda_runtime))
    error_message = "Herald runs on python3.11 or newer."
  }
}

variable "sizes" {
  type = object({
    authorize  = optional(object({ memory_size = optional(number, 512), timeout = optional(number, 10) }), {})
    callback   = optional(object({ memory_size = optional(number, 512), timeout = optional(number, 15) }), {})
    connect    = optional(object({ memory_size = optional(number, 512), timeout = optional(number, 10) }), {})
    deliver    = optional(object({ memory_size = optional(number, 1769), timeout = optional(number, 20) }), {})
    disconnect = optional(object({ memory_size = optional(number, 512), timeout = optional(number, 10) }), {})
    message    = optional(object({ memory_size = optional(number, 512), timeout = optional(number, 15) }), {})
    relay      = optional(object({ memory_size = optional(number, 512), timeout = optional(number, 50) }), {})
  })
  description = "Memory (MB; one full core at 1769) and timeout (seconds) of each function."
  default     = {}

  validation {
    condition = alltrue([
      for handler in ["authorize", "callback", "connect", "disconnect", "message"] : var.sizes[handler].timeout <= 29
    ])
    error_message = "API Gateway waits at most 29 seconds: shorten the timeouts of authorize, callback, connect, disconnect, message."
  }

  validation {
    condition     = var.sizes.relay.timeout < 60
    error_message = "The relay runs every minute: its timeout must be under 60 seconds."
  }
}

variable "log_level" {
  type        = string
  description = "Least severe log line that is written."
  default     = "INFO"

  validation {
    condition     = contains(["DEBUG", "INFO", "WARNING", "ERROR"], var.log_level)
    error_message = "Allowed values: DEBUG, INFO, WARNING, ERROR."
  }
}

variable "extra_environment" {
  type        = map(string)
  description = "Environment variables for every function, for example AWS_ENDPOINT_URL_SNS for a VPC endpoint."
  default     = {}
}

variable "tracing" {
  type        = bool
  description = "Send traces of every function to AWS X-Ray."
  default     = false
}

variable "vpc_subnet_ids" {
  type        = list(string)
  description = "Subnets from which callback and relay reach a private database; none keeps them outside any VPC."
  default     = []
}

variable "vpc_security_group_ids" {
  type        = list(string)
  description = "Security groups of callback and relay inside the VPC."
  default     = []

  validation {
    condition     = (length(var.vpc_subnet_ids) == 0) == (length(var.vpc_security_group_ids) == 0)
    error_message = "Give both vpc_subnet_ids and vpc_security_group_ids, or neither."
  }
}

# Delivery

variable "max_receive_count" {
  type        = number
  description = "Times deliver receives a message before it moves to the dead-letter queue."
  default     = 3

  validation {
    condition     = var.max_receive_count >= 2 && var.max_receive_count <= 10 && floor(var.max_receive_count) == var.max_receive_count
    error_message = "Use a whole number from 2 (one retry) to 10."
  }
}

variable "deliver_batch_size" {
  type        = number
  description = "Messages that one call of deliver gets at most."
  default     = 10

  validation {
    condition     = var.deliver_batch_size >= 1 && var.deliver_batch_size <= 10 && floor(var.deliver_batch_size) == var.deliver_batch_size
    error_message = "Use a whole number from 1 to 10: more would need a batching window, which delays events."
  }
}

variable "deliver_maximum_concurrency" {
  type        = number
  description = "Copies of deliver the queue runs at once; more wait in the queue instead of being throttled."
  default     = 10

  validation {
    condition     = var.deliver_maximum_concurrency >= 2 && var.deliver_maximum_concurrency <= 1000
    error_message = "SQS event sources accept 2 to 1000."
  }
}

variable "posts_per_second" {
  type        = number
  description = "Posts to pages per second and copy of deliver."
  default     = 500

  validation {
    condition     = var.posts_per_second >= 1 && var.posts_per_second * var.deliver_maximum_concurrency <= var.api_gateway_requests_per_second
    error_message = "posts_per_second × deliver_maximum_concurrency exceeds api_gateway_requests_per_second: lower one of them, or raise the quota."
  }
}

variable "api_gateway_requests_per_second" {
  type        = number
  description = "The account's API Gateway quota in this Region, which posts share with everything else; 2500 in some Regions."
  default     = 10000
}

variable "inbox_retention_days" {
  type        = number
  description = "Days an event can be replayed to a returning page."
  default     = 7

  validation {
    condition     = var.inbox_retention_days >= 1 && floor(var.inbox_retention_days) == var.inbox_retention_days
    error_message = "Use a whole number of days, at least 1."
  }
}

variable "outbox_retention_days" {
  type        = number
  description = "Days a published event stays in the outbox."
  default     = 7

  validation {
    condition     = var.outbox_retention_days >= 1 && floor(var.outbox_retention_days) == var.outbox_retention_days
    error_message = "Use a whole number of days, at least 1."
  }
}

# Access

variable "allowed_origins" {
  type        = list(string)
  description = "Origins whose pages may connect, for example https://app.example.com; clients without an Origin are not browsers."
  default     = []

  validation {
    condition     = alltrue([for origin in var.allowed_origins : can(regex("^https?://[^/,*]+$", origin))])
    error_message = "Write origins as the browser sends them: scheme and host, a port if needed, no path, no wildcard."
  }
}

variable "jwt_algorithm" {
  type        = string
  description = "The one algorithm tokens are signed with."
  default     = "HS256"

  validation {
    condition     = contains(["HS256", "RS256", "ES256"], var.jwt_algorithm)
    error_message = "Allowed values: HS256, RS256, ES256."
  }
}

variable "jwt_issuer" {
  type        = string
  description = "Required `iss` of a token."
}

variable "jwt_audience" {
  type        = string
  description = "Required `aud` of a token."
  default     = "herald"
}

variable "jwt_jwks_url" {
  type        = string
  description = "Where the issuer publishes its keys; empty when the key is in the jwt secret."
  default     = ""

  validation {
    condition     = var.jwt_jwks_url == "" || (startswith(var.jwt_jwks_url, "https://") && var.jwt_algorithm != "HS256")
    error_message = "Use an https:// URL, and RS256 or ES256 as jwt_algorithm."
  }
}

# Endpoints

variable "management_endpoint_format" {
  type        = string
  description = "Where deliver and message post to pages; {api_id}, {region}, {dns_suffix} and {stage} are filled in. Change it for custom domains."
  default     = "https://{api_id}.execute-api.{region}.{dns_suffix}/{stage}"

  validation {
    condition     = can(regex("^https?://", var.management_endpoint_format))
    error_message = "Write a URL that starts with https:// or http://."
  }
}

variable "callback_endpoint_format" {
  type        = string
  description = "Where the HTTP API is reached; {api_id}, {region} and {dns_suffix} are filled in. Change it for custom domains."
  default     = "https://{api_id}.execute-api.{region}.{dns_suffix}"

  validation {
    condition     = can(regex("^https?://", var.callback_endpoint_format))
    error_message = "Write a URL that starts with https:// or http://."
  }
}

variable "websocket_rate_limit" {
  type        = number
  description = "Steady requests per second (connects, frames, disconnects) over all clients."
  default     = 2000
}

variable "websocket_burst_limit" {
  type        = number
  description = "Requests that may come at once above websocket_rate_limit."
  default     = 1000
}

variable "callback_rate_limit" {
  type        = number
  description = "Steady webhooks per second."
  default     = 200
}

variable "callback_burst_limit" {
  type        = number
  description = "Webhooks that may come at once above callback_rate_limit."
  default     = 400
}

variable "manage_api_gateway_account" {
  type        = bool
  description = "Set the account's API Gateway logging role, of which there is one per Region; false where it is set already."
  default     = true
}

# Keeping and deleting

variable "log_retention_days" {
  type        = number
  description = "Days logs are kept."
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.log_retention_days)
    error_message = "CloudWatch Logs accepts 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545 or 731."
  }
}

variable "deletion_protection" {
  type        = bool
  description = "Refuse to delete the tables."
  default     = false
}

variable "key_deletion_days" {
  type        = number
  description = "Days a deleted KMS key can be restored."
  default     = 30
}

variable "secret_recovery_days" {
  type        = number
  description = "Days a deleted secret can be restored, during which its name stays taken; 0 deletes at once."
  default     = 7
}

variable "alarm_email" {
  type        = string
  description = "Address that is told about alarms once it confirms the subscription; null for none."
  default     = null
}
