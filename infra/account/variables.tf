variable "aws_account_id" {
  type        = string
  description = "Id of the AWS account. Terraform refuses credentials of another account."

  validation {
    condition     = can(regex("^[0-9]{12}$", var.aws_account_id))
    error_message = "An account id has 12 digits, for example \"123456789012\". `aws sts get-caller-identity` shows your account id."
  }
}

variable "aws_region" {
  type        = string
  description = "AWS Region, for example eu-central-1."

  validation {
    condition     = can(regex("^(us-gov|[a-z]{2})-[a-z]+-[0-9]+$", var.aws_region)) && !startswith(var.aws_region, "cn-")
    error_message = "Herald supports the Regions of the partitions aws and aws-us-gov, for example eu-central-1 or us-gov-west-1. In other partitions, such as China's, endpoints and services have other names, and Herald was not tested there."
  }
}

variable "permissions_boundary_arn" {
  type        = string
  description = "ARN of the permissions boundary of the role, if your organization requires one; null for none."
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:aws[a-z-]*:iam::(aws|[0-9]{12}):policy/.+$", var.permissions_boundary_arn))
    error_message = "Use the ARN of an IAM policy, for example arn:aws:iam::123456789012:policy/boundary."
  }
}

variable "role_path" {
  type        = string
  description = "Path of the role in IAM, for example /herald/."
  default     = "/"

  validation {
    condition     = can(regex("^/([!-~]+/)?$", var.role_path))
    error_message = "Start and end the path with a slash, for example /herald/."
  }
}

variable "tags" {
  type        = map(string)
  description = "Tags of the role."
  default     = {}
}
