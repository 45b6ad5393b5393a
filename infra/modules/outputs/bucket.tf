# The copies. Versioning is off by choice: an object is written once, and the copies of a user who is erased must be
# gone (docs/adr/0025).
resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_18:An access log would contain presigned URLs; CloudTrail's data events can be turned on instead
  #checkov:skip=CKV_AWS_21:Objects are written once, and erased users' objects must not remain as old versions
  #checkov:skip=CKV_AWS_144:The copies are kept for days, and the links to them are of one Region
  #checkov:skip=CKV2_AWS_62:Nothing needs to know of new objects
  bucket        = local.bucket_name
  force_destroy = !var.deletion_protection
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket = aws_s3_bucket.this.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    bucket_key_enabled = true # one request to KMS for many objects

    apply_server_side_encryption_by_default {
      kms_master_key_id = aws_kms_key.this.arn
      sse_algorithm     = "aws:kms"
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    id     = "expire"
    status = "Enabled"

    filter {}

    expiration {
      days = var.retention_days
    }

    # Copies that were given up. A later attempt begins anew.
    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}

# Pages may read the copies with fetch(), for example to draw a picture on a canvas. A link redirects to another origin,
# so the browser sends `Origin: null`, and no list of origins can match it. The signature in the URL is the permission.
resource "aws_s3_bucket_cors_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  cors_rule {
    allowed_headers = ["*"]
    allowed_methods = ["GET", "HEAD"]
    allowed_origins = ["*"]
    expose_headers  = ["Content-Length", "Content-Range", "ETag"]
    max_age_seconds = 3600
  }
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id
  policy = data.aws_iam_policy_document.bucket.json

  # While S3 checks a new policy, it may refuse other changes of the bucket.
  depends_on = [aws_s3_bucket_public_access_block.this]
}
