# Place

variable "aws_account_id" {
  type        = string
  description = "Id of the AWS account of this stage. Terraform refuses credentials of another account."

  validation {
    condition     = can(regex("^[0-9]{12}$", var.aws_account_id))
    error_message = "An account id has 12 digits, for example \"123456789012\". `aws sts get-caller-identity` shows your account id."
  }
}

variable "aws_region" {
  type        = string
  description = "AWS Region of this stage, for example eu-central-1."

  validation {
    condition     = can(regex("^(us-gov|[a-z]{2})-[a-z]+-[0-9]+$", var.aws_region)) && !startswith(var.aws_region, "cn-")
    error_message = "Herald supports the Regions of the partitions aws and aws-us-gov, for example eu-central-1 or us-gov-west-1. In other partitions, such as China's, endpoints and services have other names, and Herald was not tested there."
  }
}

# Naming

variable "stage" {
  type        = string
  description = "Name of this deployment; it is part of most names and of the WebSocket URL."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,19}$", var.stage))
    error_message = "Use 1 to 20 lower-case letters, digits and hyphens; start with a letter."
  }
}

variable "name_prefix" {
  type        = string
  description = "Prefix of topic and queue names, for example \"dev-\": a second stage in the same account and Region needs one."
  default     = ""

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{0,30}$", var.name_prefix))
    error_message = "Use at most 30 letters, digits, hyphens and underscores."
  }
}

variable "tags" {
  type        = map(string)
  description = "Tags for all resources, in addition to Application and Stage."
  default     = {}
}

variable "lean" {
  type        = bool
  description = "For small stages: one KMS key and one secret for all purposes, no dashboard, fewer alarms, no backups of the inbox."
  default     = false
}

# Functions

variable "architecture" {
  type        = string
  description = "Processors of the functions, for which the package was built: arm64 or x86_64. null means arm64, or x86_64 with python3.11, for which only an older psycopg2 has an arm64 wheel."
  default     = null

  validation {
    condition     = var.architecture == null || contains(["arm64", "x86_64"], coalesce(var.architecture, "arm64"))
    error_message = "Allowed values: arm64, x86_64."
  }
}

variable "package_path" {
  type        = string
  description = "Path of the deployment package, relative to this folder."
  default     = "../build/package/arm64/deployment.zip"

  validation {
    condition     = fileexists(var.package_path)
    error_message = "There is no deployment package at this path: run `make package` first."
  }
}

variable "lambda_runtime" {
  type        = string
  description = "Lambda runtime: the Python version with which the package was built."
  default     = "python3.13"

  validation {
    condition     = contains(["python3.11", "python3.12", "python3.13"], var.lambda_runtime)
    error_message = "Build the package with Python 3.11, 3.12 or 3.13: the AWS provider in terraform.tf accepts no newer version."
  }
}

variable "sizes" {
  type = object({
    authorize  = optional(object({ memory_size = optional(number, 256), timeout = optional(number, 10), reserved_concurrency = optional(number) }), {})
    callback   = optional(object({ memory_size = optional(number, 256), timeout = optional(number, 15), reserved_concurrency = optional(number) }), {})
    connect    = optional(object({ memory_size = optional(number, 256), timeout = optional(number, 10), reserved_concurrency = optional(number) }), {})
    deliver    = optional(object({ memory_size = optional(number, 256), timeout = optional(number, 20), reserved_concurrency = optional(number) }), {})
    disconnect = optional(object({ memory_size = optional(number, 256), timeout = optional(number, 10), reserved_concurrency = optional(number) }), {})
    keep       = optional(object({ memory_size = optional(number, 512), timeout = optional(number, 180), reserved_concurrency = optional(number) }), {})
    link       = optional(object({ memory_size = optional(number, 256), timeout = optional(number, 10), reserved_concurrency = optional(number) }), {})
    message    = optional(object({ memory_size = optional(number, 256), timeout = optional(number, 15), reserved_concurrency = optional(number) }), {})
    reconcile  = optional(object({ memory_size = optional(number, 512), timeout = optional(number, 58), reserved_concurrency = optional(number) }), {})
    relay      = optional(object({ memory_size = optional(number, 256), timeout = optional(number, 50), reserved_concurrency = optional(number) }), {})
  })
  description = "Memory in MB (one full core at 1769), timeout in seconds and reserved concurrency (null for none) of each function."
  default     = {}

  validation {
    condition = alltrue([
      for handler in ["authorize", "callback", "connect", "disconnect", "link", "message"] : var.sizes[handler].timeout <= 29
    ])
    error_message = "API Gateway waits 29 seconds at most: use a timeout of 29 or less for authorize, callback, connect, disconnect, link and message."
  }

  validation {
    condition     = var.sizes.relay.timeout < 60
    error_message = "The relay runs every minute: use a timeout of less than 60 seconds."
  }

  validation {
    condition     = var.sizes.reconcile.timeout >= 30 && var.sizes.reconcile.timeout < 60
    error_message = "reconcile runs every minute, and a look-up can take 20 seconds: use a timeout of 30 to 59 seconds."
  }
}

variable "permissions_boundary_arn" {
  type        = string
  description = "ARN of the permissions boundary of the functions' roles, if your organization requires one; null for none."
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:aws[a-z-]*:iam::(aws|[0-9]{12}):policy/.+$", var.permissions_boundary_arn))
    error_message = "Use the ARN of an IAM policy, for example arn:aws:iam::123456789012:policy/boundary."
  }
}

variable "role_path" {
  type        = string
  description = "Path of the functions' roles in IAM, for example /herald/."
  default     = "/"

  validation {
    condition     = can(regex("^/([!-~]+/)?$", var.role_path))
    error_message = "Start and end the path with a slash, for example /herald/."
  }
}

variable "extra_environment" {
  type        = map(string)
  description = "Environment variables of every function, for example AWS_ENDPOINT_URL_SNS for a VPC endpoint; they override Herald's own variables."
  default     = {}
}

variable "database_schema" {
  type        = string
  description = "Schema of Herald's tables in PostgreSQL; `./herald migrate` creates it."
  default     = "herald"

  validation {
    condition     = can(regex("^[a-z_][a-z0-9_]{0,62}$", var.database_schema)) && !can(regex("^(pg_.*|information_schema|public)$", var.database_schema))
    error_message = "Use up to 63 lower-case letters, digits and underscores, not starting with a digit or pg_. Only Herald may use the schema, so it cannot be public."
  }
}

variable "vpc_subnet_ids" {
  type        = list(string)
  description = "Subnets from which callback, relay and reconcile reach a private database; leave empty to run them outside any VPC. reconcile reaches the providers only if the subnets have NAT."
  default     = []
}

variable "vpc_security_group_ids" {
  type        = list(string)
  description = "Security groups of callback, relay and reconcile in the VPC."
  default     = []

  validation {
    condition     = (length(var.vpc_subnet_ids) == 0) == (length(var.vpc_security_group_ids) == 0)
    error_message = "Set both vpc_subnet_ids and vpc_security_group_ids, or neither."
  }
}

# Delivery

variable "max_receive_count" {
  type        = number
  description = "Number of times deliver receives a message before the message moves to the dead-letter queue."
  default     = 3

  validation {
    condition     = var.max_receive_count >= 2 && var.max_receive_count <= 10 && floor(var.max_receive_count) == var.max_receive_count
    error_message = "Use a whole number from 2 (one retry) to 10."
  }
}

variable "deliver_batch_size" {
  type        = number
  description = "Maximum number of messages in one invocation of deliver."
  default     = 10

  validation {
    condition     = var.deliver_batch_size >= 1 && var.deliver_batch_size <= 10 && floor(var.deliver_batch_size) == var.deliver_batch_size
    error_message = "Use a whole number from 1 to 10: larger batches need a batching window, which delays events."
  }
}

variable "deliver_maximum_concurrency" {
  type        = number
  description = "Maximum number of deliver invocations at a time, and a fifth as many for progress; further messages wait in the queues."
  default     = 10

  validation {
    condition     = var.deliver_maximum_concurrency >= 2 && var.deliver_maximum_concurrency <= 1000
    error_message = "Lambda accepts 2 to 1000 for a queue."
  }
}

variable "posts_per_second" {
  type        = number
  description = "Maximum number of posts to clients per second in one execution environment of deliver."
  default     = 500

  validation {
    condition     = var.posts_per_second >= 1 && var.posts_per_second * local.deliver_concurrency <= var.api_gateway_requests_per_second
    error_message = "posts_per_second × 1.2 × deliver_maximum_concurrency exceeds api_gateway_requests_per_second: reduce one of the two, or increase the quota."
  }
}

variable "api_gateway_requests_per_second" {
  type        = number
  description = "The account's API Gateway quota in this Region (2500 in some Regions). Posts share it with all other requests."
  default     = 10000
}

variable "inbox_retention_days" {
  type        = number
  description = "Number of days for which an event can be replayed."
  default     = 7

  validation {
    condition     = var.inbox_retention_days >= 1 && floor(var.inbox_retention_days) == var.inbox_retention_days
    error_message = "Use a whole number of days, at least 1."
  }
}

variable "outbox_retention_days" {
  type        = number
  description = "Number of days for which a published event stays in the outbox."
  default     = 7

  validation {
    condition     = var.outbox_retention_days >= 1 && floor(var.outbox_retention_days) == var.outbox_retention_days
    error_message = "Use a whole number of days, at least 1."
  }

  # The relay adds the head of a silent stream to the inbox when it deletes the last event from the outbox.
  validation {
    condition     = var.outbox_retention_days <= var.inbox_retention_days
    error_message = "outbox_retention_days must not exceed inbox_retention_days: a stream's head is stored before its last event expires in the inbox."
  }
}

# Access

variable "allowed_origins" {
  type        = list(string)
  description = "Origins whose web pages may connect, for example https://app.example.com. Clients that are not browsers send no Origin and need no entry."
  default     = []

  validation {
    condition = alltrue([for origin in var.allowed_origins : can(regex("^[[:ascii:]]*$", origin))])
    error_message = format(
      "Write internationalized domain names in their ASCII form, as browsers send them, for example https://xn--bcher-kva.example for bücher.example (in a browser's console: new URL(\"https://bücher.example\").origin). Change: %s.",
      join(", ", [for origin in var.allowed_origins : origin if !can(regex("^[[:ascii:]]*$", origin))])
    )
  }

  validation {
    condition = alltrue([for origin in var.allowed_origins : !can(regex("^https?://[^/?#,]*[@/?#]", lower(trimspace(origin))))])
    error_message = format(
      "An origin has no user information, path, query or fragment. Change: %s.",
      join(", ", [
        for origin in var.allowed_origins : "${origin} to ${replace(trimspace(origin), "/^([A-Za-z]+://)(?:[^/?#]*@)?([^/?#]*).*$/", "$1$2")}"
        if can(regex("^https?://[^/?#,]*[@/?#]", lower(trimspace(origin))))
      ])
    )
  }

  # chalicelib/sessions/credentials.py accepts the same origins, and compares them in normal form.
  validation {
    condition = alltrue([
      for origin in var.allowed_origins :
      can(regex("^https?://(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\\[[0-9a-f:.]+\\])(?::[1-9][0-9]{0,4})?$", lower(trimspace(origin))))
      || can(regex("[^[:ascii:]]|^https?://[^/?#,]*[@/?#]", lower(trimspace(origin)))) # reported above
    ])
    error_message = "Write each origin as scheme, host and, if needed, port, without wildcards: https://app.example.com or http://localhost:3000."
  }
}

variable "jwt_algorithm" {
  type        = string
  description = "The algorithm with which all tokens must be signed."
  default     = "HS256"

  validation {
    condition     = contains(["HS256", "RS256", "ES256"], var.jwt_algorithm)
    error_message = "Allowed values: HS256, RS256, ES256."
  }
}

variable "jwt_issuer" {
  type        = string
  description = "Required `iss` claim of a token."
}

variable "jwt_audience" {
  type        = string
  description = "Required `aud` claim of a token."
  default     = "herald"
}

variable "jwt_jwks_url" {
  type        = string
  description = "URL at which the issuer publishes its keys; empty if the key is in the jwt secret."
  default     = ""

  validation {
    condition     = var.jwt_jwks_url == "" || (can(regex("^https://[A-Za-z0-9._:\\[\\]-]+(/[!-\"$-~]*)?$", var.jwt_jwks_url)) && var.jwt_algorithm != "HS256")
    error_message = "Use an https:// URL without user information or fragment, and RS256 or ES256 as jwt_algorithm."
  }
}

variable "max_connections_per_user" {
  type        = number
  description = "Maximum number of open connections of one user. A further connection closes the oldest."
  default     = 50

  validation {
    condition     = var.max_connections_per_user >= 1 && var.max_connections_per_user <= 500 && floor(var.max_connections_per_user) == var.max_connections_per_user
    error_message = "Use a whole number from 1 to 500: every connect, hello and disconnect of a user rewrites the item with all of the user's connections."
  }
}

variable "redrive_principals" {
  type        = list(string)
  description = "Principals that may redrive dead letters if IAM also allows it: root, role/<name> or user/<name>. * stands for any characters. By default, root and people who sign in through IAM Identity Center."
  default     = ["root", "role/aws-reserved/sso.amazonaws.com/*"]
}

# Throttling

variable "websocket_rate_limit" {
  type        = number
  description = "Steady rate of WebSocket requests (connects, frames, disconnects) per second, over all clients."
  default     = 2000
}

variable "websocket_burst_limit" {
  type        = number
  description = "Number of WebSocket requests by which a burst may exceed the steady rate."
  default     = 1000
}

variable "callback_rate_limit" {
  type        = number
  description = "Steady rate of webhooks per second."
  default     = 200
}

variable "callback_burst_limit" {
  type        = number
  description = "Number of webhooks by which a burst may exceed the steady rate."
  default     = 400
}

# Retention and deletion

variable "deletion_protection" {
  type        = bool
  description = "Protect the tables against deletion."
  default     = false
}

variable "key_deletion_days" {
  type        = number
  description = "Number of days for which a deleted KMS key can be restored, 7 to 30."
  default     = 30
}

variable "secret_recovery_days" {
  type        = number
  description = "Number of days (7 to 30) for which a deleted secret can be restored. Its name stays reserved during this time. 0 deletes secrets at once."
  default     = 7
}

variable "alarm_email" {
  type        = string
  description = "Email address that is notified of alarms, once it has confirmed the subscription; null for none."
  default     = null
}
