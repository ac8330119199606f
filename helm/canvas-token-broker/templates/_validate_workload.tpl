{{/* More of what _validate.tpl asks for: how many pods there are, and who looks at them. */}}

{{- define "canvas-token-broker.checkBudget" -}}
{{- $pods := include "canvas-token-broker.fewestPods" . | int }}
{{- with .Values.podDisruptionBudget }}
{{- $least := toString .minAvailable }}
{{- if not (or (kindIs "invalid" .minAvailable) (kindIs "invalid" .maxUnavailable)) }}
- podDisruptionBudget has both minAvailable and maxUnavailable: set one of them
{{- else if and (gt $pods 1) (or (eq $least "100%") (and (regexMatch "^[0-9]+$" $least) (ge (int $least) $pods))) }}
- podDisruptionBudget.minAvailable is {{ $least }} of {{ $pods }} pods and must leave one that may go: else no node could be drained
{{- else if has (toString .maxUnavailable) (list "0" "0%") }}
- podDisruptionBudget.maxUnavailable is {{ .maxUnavailable }} and must be at least 1: else no node could be drained
{{- end }}
{{- end }}
{{- end }}

{{- define "canvas-token-broker.checkRollout" -}}
{{- with .Values.updateStrategy.rollingUpdate }}
{{- $none := list "0" "0%" }}
{{- if and (has (toString .maxSurge) $none) (has (toString .maxUnavailable) $none) }}
- updateStrategy.rollingUpdate.maxSurge and maxUnavailable are both 0: one of them must be more, else no pod could be replaced
{{- end }}
{{- end }}
{{- end }}

{{- define "canvas-token-broker.checkAutoscaling" -}}
{{- $containers := dict "resources" .Values.resources }}
{{- if .Values.listener.enabled }}{{ $_ := set $containers "listener.resources" .Values.listener.resources }}{{ end }}
{{- with .Values.autoscaling }}
{{- if .enabled }}
{{- if gt (int .minReplicas) (int .maxReplicas) }}
- autoscaling.minReplicas is {{ .minReplicas }} and must be at most autoscaling.maxReplicas, {{ .maxReplicas }}
{{- end }}
{{- if not (or .targetCPUUtilizationPercentage .targetMemoryUtilizationPercentage) }}
- autoscaling needs targetCPUUtilizationPercentage or targetMemoryUtilizationPercentage
{{- end }}
{{- range $resource, $percent := dict "cpu" .targetCPUUtilizationPercentage "memory" .targetMemoryUtilizationPercentage }}
{{- range $name, $resources := $containers }}
{{- if and $percent (not (or (dig "requests" $resource "" $resources) (dig "limits" $resource "" $resources))) }}
- autoscaling has a target for {{ $resource }}, a share of {{ $name }}.requests.{{ $resource }}: set that, too
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "canvas-token-broker.checkManagement" -}}
{{- $policy := .Values.networkPolicy }}
{{- if and .Values.management.enabled $policy.enabled .Values.serviceMonitor.enabled (not $policy.metricsFrom) }}
- networkPolicy.enabled lets nobody fetch metrics: set networkPolicy.metricsFrom to where Prometheus runs, or leave serviceMonitor.enabled out
{{- end }}
{{- end }}

{{- define "canvas-token-broker.checkService" -}}
{{- with .Values.service }}
{{- if and .nodePort (eq .type "ClusterIP") }}
- service.nodePort needs service.type NodePort or LoadBalancer
{{- end }}
{{- end }}
{{- end }}

{{- define "canvas-token-broker.checkRules" -}}
{{- $known := list }}
{{- range (.Files.Get "files/rules.yaml" | fromYaml).groups }}
{{- range .rules }}{{ $known = append $known .alert }}{{ end }}
{{- end }}
{{- range .Values.prometheusRule.disabled }}
{{- if not (has . $known) }}
- prometheusRule.disabled has {{ . }}, which is none of the alerts: {{ $known | uniq | sortAlpha | join ", " }}
{{- end }}
{{- end }}
{{- end }}

{{- define "canvas-token-broker.checkHelmTest" -}}
{{- $known := include "canvas-token-broker.organizations" . | fromYaml }}
{{- with .Values.helmTest }}
{{- $own := or .serviceAccountCaller $.Values.demo.enabled }}
{{- if and .enabled (not .existingSecret) (not (and $own $.Values.serviceAccountCallers.enabled)) }}
- helmTest.enabled needs a credential: set helmTest.existingSecret to the Secret with a caller's key, or {{ if not $own }}helmTest.serviceAccountCaller, a caller that stays, and {{ end }}serviceAccountCallers.enabled
{{- end }}
{{- if and .serviceAccountCaller (or .existingSecret (not .enabled)) }}
- helmTest.serviceAccountCaller is for helmTest.enabled without helmTest.existingSecret: set it to false
{{- end }}
{{- if and .organization (not (hasKey $known .organization)) }}
- helmTest.organization is {{ .organization }}, which is none of organizations: {{ $known | keys | sortAlpha | join ", " }}
{{- end }}
{{- end }}
{{- end }}
