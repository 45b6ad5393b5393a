output "target" {
  description = "What a DNS record of the domain must lead to: CNAME name, or alias name in hosted_zone_id."
  value = {
    name           = aws_apigatewayv2_domain_name.this.domain_name_configuration[0].target_domain_name
    hosted_zone_id = aws_apigatewayv2_domain_name.this.domain_name_configuration[0].hosted_zone_id
  }
}
