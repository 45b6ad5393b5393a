# The messaging module with its key, connected as in the root module.
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

module "keys" {
  source = "../../../../infra/modules/keys"

  name               = "herald-test"
  topic_name         = "test-generation-complete"
  log_group_prefixes = ["/aws/lambda/herald-test-"]
}

module "messaging" {
  source = "../../../../infra/modules/messaging"

  name             = "herald-test"
  topic_name       = "test-generation-complete"
  error_topic_name = "test-error-notifications"
  kms_key_arn      = module.keys.messaging_key_arn
  consumer_timeout = 20

  redrive_principals = ["root", "role/operators"]
}

output "key_arn" {
  description = "ARN of the key that encrypts topics and queues."
  value       = module.keys.messaging_key_arn
}

output "messaging" {
  description = "All outputs of the module."
  value       = module.messaging
}
