# Terraform uses this Region even if the environment names another one, and fails with credentials of another account.
provider "aws" {
  region              = var.aws_region
  allowed_account_ids = [var.aws_account_id]

  default_tags {
    tags = var.tags
  }
}
