# `make deploy` passes the bucket and key of the stage's state to `terraform init`.
terraform {
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}
