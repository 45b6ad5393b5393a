# Another account or Region than the named ones is an error, whatever credentials are in the environment.
provider "aws" {
  region              = var.aws_region
  allowed_account_ids = [var.aws_account_id]

  default_tags {
    tags = var.tags
  }
}
