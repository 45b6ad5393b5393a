# The bucket and key of this state are given to `terraform init`, as docs/operations.md describes.
terraform {
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}
