{{/* The pods of one workload of this release, as a peer of a NetworkPolicy. */}}
{{- define "canvas-token-broker.peer" -}}
- podSelector:
    matchLabels:
      {{- include "canvas-token-broker.selectorLabels" . | nindent 6 }}
{{- end }}

{{/* A rule that lets connections to these ports through, wherever they go; none without a port. */}}
{{- define "canvas-token-broker.egressTo" -}}
{{- with . -}}
- ports:
  {{- range . }}
    - port: {{ . | int }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Where pods of the cluster reach the broker. */}}
{{- define "canvas-token-broker.url" -}}
{{- $scheme := include "canvas-token-broker.portName" . -}}
{{- printf "%s://%s:%d" $scheme (include "canvas-token-broker.host" .) (int .Values.service.port) }}
{{- end }}

{{/* What serves the paths for operators and the probes: the name of the port, and its scheme. That is the
     callers' port where there is no other. */}}
{{- define "canvas-token-broker.operatorsPort" -}}
{{- ternary "management" (include "canvas-token-broker.portName" .) .Values.management.enabled }}
{{- end }}

{{- define "canvas-token-broker.operatorsScheme" -}}
{{- $plain := and .Values.management.enabled (not .Values.management.tls) -}}
{{- ternary "http" (include "canvas-token-broker.portName" .) $plain }}
{{- end }}

{{- define "canvas-token-broker.host" -}}
{{- printf "%s.%s.svc" (include "canvas-token-broker.fullname" .) .Release.Namespace }}
{{- end }}
