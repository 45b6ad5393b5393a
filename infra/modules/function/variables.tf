variable "name" {
  type        = string
  description = "Name of the function without the prefix, for example deliver."
}

variable "description" {
  type        = string
  description = "What the function does, in one line."
}

variable "handler" {
  type        = string
  description = "Handler in the package: app.<function>, as in app/app.py."

  validation {
    condition     = can(regex("^app\\.[a-z_]+$", var.handler))
    error_message = "All handlers are in app/app.py: use app.<function>."
  }
}

variable "shared" {
  type = object({
    # The function, its role and its log group are named <name_prefix>-<name>.
    name_prefix = string
    # Environment variables of every function. The overrides take precedence over the function's own
    # variables.
    environment           = map(string)
    environment_overrides = map(string)
    # The processors for which the package was built: arm64 or x86_64.
    architecture = string
    # ARN of the KMS key for each purpose.
    keys = object({
      logs      = string
      messaging = string
      outputs   = optional(string)
      storage   = string
    })
    log_retention_days = number
    package_path       = string
    # Path of the roles, and the ARN of their permissions boundary; null for none.
    role = object({
      path                     = string
      permissions_boundary_arn = string
    })
    # The Lambda runtime for which the package was built.
    runtime = string
    # Whether traces are sent to AWS X-Ray.
    tracing = bool
  })
  description = "Settings that all functions have in common."
}

variable "size" {
  type = object({
    memory_size          = number
    timeout              = number
    reserved_concurrency = optional(number)
  })
  description = "Memory in MB (CPU is proportional to it: one full core at 1769), timeout in seconds, and the function's reserved concurrency, which is also its limit; null for no reservation."

  validation {
    condition     = var.size.memory_size >= 128 && var.size.memory_size <= 10240
    error_message = "Lambda accepts a memory_size of 128 to 10240 MB."
  }

  validation {
    condition     = coalesce(var.size.reserved_concurrency, 1) >= 1
    error_message = "Reserve at least 1, because a function with 0 never runs."
  }

  validation {
    condition     = var.size.timeout >= 1 && var.size.timeout <= 900
    error_message = "Lambda accepts a timeout of 1 to 900 seconds."
  }
}

variable "environment" {
  type        = map(string)
  description = "Environment variables of this function."
}

variable "policy" {
  type        = string
  description = "IAM policy document (JSON) with the function's permissions, except for the use of keys."
}

variable "decrypt" {
  type        = map(set(string))
  description = "KMS keys that decrypt the data that the function reads, each with the AWS services through which the function uses it, for example { storage = [\"dynamodb\"] }."
  default     = {}

  validation {
    condition = alltrue([
      for key, services in var.decrypt :
      length(services) > 0 && length(setsubtract(services, lookup(local.key_services, key, []))) == 0
    ])
    error_message = "Give each key the services whose data it encrypts: messaging (sns, sqs), outputs (s3), storage (dynamodb, secretsmanager)."
  }
}

variable "encrypt" {
  type        = map(set(string))
  description = "KMS keys that encrypt the data that the function writes, each with the AWS services through which the function uses it, for example { messaging = [\"sns\"] }."
  default     = {}

  validation {
    condition = alltrue([
      for key, services in var.encrypt :
      length(services) > 0 && length(setsubtract(services, lookup(local.key_services, key, []))) == 0
    ])
    error_message = "Give each key the services whose data it encrypts: messaging (sns, sqs), outputs (s3), storage (dynamodb, secretsmanager)."
  }
}

variable "invokers" {
  type = map(object({
    principal  = string
    source_arn = string
  }))
  description = "AWS services that may invoke the function, by statement id; each from one source only."
  default     = {}
}

variable "queues" {
  type = map(object({
    arn                 = string
    batch_size          = number
    maximum_concurrency = number
    batching_seconds    = optional(number, 0)
  }))
  description = "Queues whose messages the function receives. Lambda waits up to batching_seconds for a batch to fill."
  default     = {}

  # This is not a condition of var.size: the function would then wait for its queues.
  validation {
    condition     = coalesce(var.size.reserved_concurrency, 1000) >= sum(concat([0], values(var.queues)[*].maximum_concurrency))
    error_message = "Reserve at least the sum of the queues' maximum_concurrency. Otherwise, Lambda throttles the queue, and its messages become dead letters."
  }
}

variable "vpc_subnet_ids" {
  type        = list(string)
  description = "Subnets of the function; leave empty to run it outside any VPC."
  default     = []
}

variable "vpc_security_group_ids" {
  type        = list(string)
  description = "Security groups of the function in the VPC."
  default     = []

  validation {
    condition     = (length(var.vpc_subnet_ids) == 0) == (length(var.vpc_security_group_ids) == 0)
    error_message = "Set both vpc_subnet_ids and vpc_security_group_ids, or neither."
  }
}
