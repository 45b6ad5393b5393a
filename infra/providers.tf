# Region and credentials come from the standard AWS environment variables.
provider "aws" {
  default_tags {
    tags = merge({ Application = "herald", Stage = var.stage }, var.tags)
  }
}
