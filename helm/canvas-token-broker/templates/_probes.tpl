{{- define "canvas-token-broker.portName" -}}
{{- ternary "https" "http" (not (empty .Values.tls.existingSecret)) }}
{{- end }}

{{/* A probe of the broker: (dict "root" $ "path" "/health/live" "timing" .Values.livenessProbe). */}}
{{- define "canvas-token-broker.probe" -}}
{{- $port := include "canvas-token-broker.operatorsPort" .root -}}
{{- if include "canvas-token-broker.asksOperatorsForCertificates" .root -}}
tcpSocket:
  port: {{ $port }}
{{- else -}}
httpGet:
  path: {{ .path }}
  port: {{ $port }}
  scheme: {{ include "canvas-token-broker.operatorsScheme" .root | upper }}
{{- end }}
{{ toYaml .timing }}
{{- end }}

{{/* Whether that is so on the port that probes and Prometheus ask; empty if not. */}}
{{- define "canvas-token-broker.asksOperatorsForCertificates" -}}
{{- if eq (include "canvas-token-broker.operatorsScheme" .) "https" }}
{{- include "canvas-token-broker.asksForCertificates" . }}
{{- end }}
{{- end }}

{{/* Whether no caller connects without a client certificate; empty if not. */}}
{{- define "canvas-token-broker.asksForCertificates" -}}
{{- with .Values.tls }}
{{- if and .existingSecret .clientCaSecret (eq .clientCerts "required") }}true{{ end }}
{{- end }}
{{- end }}
