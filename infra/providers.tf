# Credentials come from the standard AWS environment variables. Terraform refuses credentials of any account other than the stage's.
provider "aws" {
  region              = var.aws_region
  allowed_account_ids = [var.aws_account_id]

  default_tags {
    tags = merge({ Application = "herald", Stage = var.stage }, var.tags)
  }
}
