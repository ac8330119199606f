{{- define "canvas-token-broker.portName" -}}
{{- ternary "https" "http" (not (empty .Values.tls.existingSecret)) }}
{{- end }}

{{/* A probe of the broker: (dict "root" $ "path" "/health/live" "timing" .Values.livenessProbe). */}}
{{- define "canvas-token-broker.probe" -}}
{{- $port := include "canvas-token-broker.portName" .root -}}
{{- if include "canvas-token-broker.asksForCertificates" .root -}}
tcpSocket:
  port: {{ $port }}
{{- else -}}
httpGet:
  path: {{ .path }}
  port: {{ $port }}
  scheme: {{ upper $port }}
{{- end }}
{{ toYaml .timing }}
{{- end }}

{{/* Whether nobody connects without a client certificate, the kubelet included; empty if not. */}}
{{- define "canvas-token-broker.asksForCertificates" -}}
{{- with .Values.tls }}
{{- if and .existingSecret .clientCaSecret (eq .clientCerts "required") }}true{{ end }}
{{- end }}
{{- end }}
