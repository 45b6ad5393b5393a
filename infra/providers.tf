# Credentials come from the standard AWS environment variables. Credentials of another account than the stage's are refused.
provider "aws" {
  region              = var.aws_region
  allowed_account_ids = [var.aws_account_id]

  default_tags {
    tags = merge({ Application = "herald", Stage = var.stage }, var.tags)
  }
}
