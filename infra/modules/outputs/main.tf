data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  region     = data.aws_region.current.name

  # The names of buckets are shared by all accounts and Regions.
  bucket_name      = "${var.name}-outputs-${local.account_id}-${local.region}"
  queue_name       = "${var.queue_prefix}-keep"
  dead_letter_name = "${local.queue_name}-dlq"

  # The ARNs are built from names, because a policy is created together with its resource.
  bucket_arn      = "arn:${local.partition}:s3:::${local.bucket_name}"
  sqs             = "arn:${local.partition}:sqs:${local.region}:${local.account_id}"
  queue_arn       = "${local.sqs}:${local.queue_name}"
  dead_letter_arn = "${local.sqs}:${local.dead_letter_name}"

  redrivers = [for principal in var.redrive_principals : "arn:${local.partition}:iam::${local.account_id}:${principal}"]

  two_weeks = 14 * 24 * 3600
}

# The copies have a key of their own: the two functions that read or write copies need no other key for it, and nobody
# can read the copies with the key of the tables.
resource "aws_kms_key" "this" {
  description             = "Kept outputs of Herald (${var.name})"
  deletion_window_in_days = var.key_deletion_days
  enable_key_rotation     = true
  policy                  = data.aws_iam_policy_document.key.json
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.name}-outputs"
  target_key_id = aws_kms_key.this.key_id
}

# Where each output comes from, and where its copy is. There are no backups: without the bucket's objects, which have
# none either, the table is of no use.
resource "aws_dynamodb_table" "this" {
  #checkov:skip=CKV_AWS_28:Without the bucket's objects, which have no backup either, the table is of no use
  name                        = "${var.name}-outputs"
  billing_mode                = "PAY_PER_REQUEST"
  deletion_protection_enabled = var.deletion_protection
  hash_key                    = "generation_id"

  attribute {
    name = "generation_id"
    type = "S"
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.storage_key_arn
  }

  ttl {
    attribute_name = "expires_at"
    enabled        = true
  }
}

# Without a value, as in modules/storage: `./herald deploy` draws the first key.
resource "aws_secretsmanager_secret" "this" {
  name                    = "${var.name}-outputs"
  description             = "Keys of the links to outputs, and further hosts of providers; set with `./herald provider`"
  kms_key_id              = var.storage_key_arn
  recovery_window_in_days = var.secret_recovery_days
}
