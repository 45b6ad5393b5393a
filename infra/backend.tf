# Bucket, key and region are given at init: terraform init -backend-config=envs/<stage>.s3.tfbackend
terraform {
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}
