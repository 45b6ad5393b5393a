data "aws_partition" "current" {}

locals {
  name       = "herald-${var.stage}"
  api_domain = "execute-api.${var.aws_region}.${data.aws_partition.current.dns_suffix}"

  topic_name       = "${var.name_prefix}generation-complete"
  error_topic_name = "${var.name_prefix}error-notifications"
  callback_path    = "/callbacks"
  outputs_path     = "/outputs"

  function_log_prefix = "/aws/lambda/${local.name}-"
  # To deliver logs, AWS needs a resource policy, whose length is limited. Log groups with this prefix
  # do not need an entry in that policy.
  access_log_prefix = "/aws/vendedlogs/${local.name}-"

  # Copies of deliver: those for progress, and all of them.
  progress_concurrency = max(2, ceil(var.deliver_maximum_concurrency / 5))
  deliver_concurrency  = var.deliver_maximum_concurrency + local.progress_concurrency

  # The URLs use the domains' names from the variables, because the functions are created before the APIs' domains.
  callback_endpoint   = coalesce(var.callback_endpoint, try("https://${var.callback_domain.name}", null), "https://${module.callback_api.api_id}.${local.api_domain}")
  management_endpoint = coalesce(var.management_endpoint, try("https://${var.websocket_domain.name}", null), "https://${module.websocket.api_id}.${local.api_domain}/${var.stage}")

  # Other functions invoke reconcile. Its ARN is known before the function exists.
  reconcile_name = "${local.name}-reconcile"
  reconcile_arn  = "arn:${data.aws_partition.current.partition}:lambda:${var.aws_region}:${var.aws_account_id}:function:${local.reconcile_name}"

  # Other addresses of the providers' APIs, by provider
  provider_apis = var.provider_apis

  # ARNs for posting to connections and closing them, on this stage only.
  connection_arns = [
    for method in ["DELETE", "POST"] :
    "${module.websocket.execution_arn}/${var.stage}/${method}/@connections/*"
  ]

  # Settings that all functions have in common, passed to each function as `shared`.
  function = {
    name_prefix = local.name
    environment = {
      HERALD_LOG_LEVEL          = var.log_level
      HERALD_LOG_SAMPLE_PERCENT = var.log_sample_percent
      HERALD_STAGE              = var.stage
    }
    environment_overrides = var.extra_environment
    architecture          = coalesce(var.architecture, var.lambda_runtime == "python3.11" ? "x86_64" : "arm64")
    keys = {
      logs      = module.keys.logs_key_arn
      messaging = module.keys.messaging_key_arn
      # With module.outputs[*], every function would wait for the whole module.
      outputs = var.keep_outputs ? module.outputs[0].key_arn : null
      storage = module.keys.storage_key_arn
    }
    log_retention_days = var.log_retention_days
    package_path       = var.package_path
    role               = { path = var.role_path, permissions_boundary_arn = var.permissions_boundary_arn }
    runtime            = var.lambda_runtime
    tracing            = var.tracing
  }

  # Environment variables of the functions that verify tokens.
  token_environment = {
    HERALD_JWT_ALGORITHM  = var.jwt_algorithm
    HERALD_JWT_AUDIENCE   = var.jwt_audience
    HERALD_JWT_ISSUER     = var.jwt_issuer
    HERALD_JWT_JWKS_URL   = var.jwt_jwks_url
    HERALD_JWT_SECRET_ARN = module.storage.secrets.jwt
  }
}
