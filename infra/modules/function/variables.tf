variable "name" {
  type        = string
  description = "Name of the function, its role and its log group, for example herald-dev-deliver."
}

variable "description" {
  type        = string
  description = "What the function does, in a line."
}

variable "handler" {
  type        = string
  description = "Handler in the package: app.<function> as app/app.py names it."

  validation {
    condition     = can(regex("^app\\.[a-z_]+$", var.handler))
    error_message = "Every handler is in app/app.py: write app.<function>."
  }
}

variable "package_path" {
  type        = string
  description = "Path of the deployment package."
}

variable "runtime" {
  type        = string
  description = "Lambda runtime the package was built for."
}

variable "memory_size" {
  type        = number
  description = "Memory in MB; CPU follows it, one full core at 1769."

  validation {
    condition     = var.memory_size >= 128 && var.memory_size <= 10240
    error_message = "Lambda accepts 128 to 10240 MB."
  }
}

variable "timeout" {
  type        = number
  description = "Timeout in seconds."

  validation {
    condition     = var.timeout >= 1 && var.timeout <= 900
    error_message = "Lambda accepts 1 to 900 seconds."
  }
}

variable "environment" {
  type        = map(string)
  description = "Environment variables."
}

variable "environment_key_arn" {
  type        = string
  description = "Key that encrypts the environment variables."
}

variable "logs_key_arn" {
  type        = string
  description = "Key that encrypts the log group."
}

variable "log_retention_days" {
  type        = number
  description = "Days logs are kept."
}

variable "policy" {
  type        = string
  description = "IAM policy document (JSON): what the function's task takes beyond running."
}

variable "tracing" {
  type        = bool
  description = "Send traces to AWS X-Ray."
  default     = false
}

variable "vpc_subnet_ids" {
  type        = list(string)
  description = "Subnets the function reaches; none keeps it outside any VPC."
  default     = []
}

variable "vpc_security_group_ids" {
  type        = list(string)
  description = "Security groups of the function inside the VPC."
  default     = []

  validation {
    condition     = (length(var.vpc_subnet_ids) == 0) == (length(var.vpc_security_group_ids) == 0)
    error_message = "Give both vpc_subnet_ids and vpc_security_group_ids, or neither."
  }
}

variable "invokers" {
  type = map(object({
    principal  = string
    source_arn = string
  }))
  description = "AWS services that may invoke the function, each from one source, by statement id."
  default     = {}
}

variable "queue" {
  type = object({
    arn                 = string
    batch_size          = number
    maximum_concurrency = number
  })
  description = "Queue whose messages the function receives; null for none."
  default     = null
}
