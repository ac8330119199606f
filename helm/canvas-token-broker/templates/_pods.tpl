{{/* What the pods of all workloads have in common. */}}

{{/* Reference of an image: (dict "root" $ "image" .Values.image). */}}
{{- define "canvas-token-broker.image" -}}
{{- $registry := .root.Values.global.imageRegistry | default .image.registry -}}
{{- $version := printf ":%s" (.image.tag | default .root.Chart.AppVersion) -}}
{{- if .image.digest }}{{ $version = printf "@%s" .image.digest }}{{ end -}}
{{- list $registry .image.repository | compact | join "/" }}{{ $version }}
{{- end }}

{{/* A pod's security context. With "user", an image's own user goes before the values' one, where they name
     one at all: some clusters choose it themselves. */}}
{{- define "canvas-token-broker.podSecurityContext" -}}
{{- $context := deepCopy .root.Values.podSecurityContext -}}
{{- $user := .user -}}
{{- if $user }}
{{- range $key := list "runAsUser" "runAsGroup" "fsGroup" }}
{{- if hasKey $context $key }}{{ $_ := set $context $key $user }}{{ end }}
{{- end }}
{{- end }}
{{- toYaml $context }}
{{- end }}

{{/* The beginning of every pod: (dict "root" $), with "user" as above. */}}
{{- define "canvas-token-broker.pod" -}}
{{- with .root.Values -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with concat .global.imagePullSecrets .imagePullSecrets | uniq }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
securityContext:
  {{- include "canvas-token-broker.podSecurityContext" . | nindent 2 }}
{{- end }}

{{/* The beginning of every container: (dict "root" $ "image" .Values.image). */}}
{{- define "canvas-token-broker.container" -}}
image: {{ include "canvas-token-broker.image" . | quote }}
imagePullPolicy: {{ .image.pullPolicy }}
securityContext:
  {{- toYaml .root.Values.securityContext | nindent 2 }}
{{- end }}

{{/* A setting's value as text. Helm holds numbers as floats, which would print as 1e+06. */}}
{{- define "canvas-token-broker.text" -}}
{{- kindIs "string" . | ternary . (toJson .) }}
{{- end }}

{{/* Where the broker's pods run, and how they find other hosts. */}}
{{- define "canvas-token-broker.scheduling" -}}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ . | quote }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range . }}
  {{- toYaml (list .) | nindent 2 }}
    {{- if not (hasKey . "labelSelector") }}
    labelSelector:
      matchLabels:
        {{- include "canvas-token-broker.selectorLabels" (dict "root" $ "component" "broker") | nindent 8 }}
    {{- end }}
  {{- end }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- with .Values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* How many of the broker's pods there are at least. */}}
{{- define "canvas-token-broker.fewestPods" -}}
{{- ternary .Values.autoscaling.minReplicas .Values.replicaCount .Values.autoscaling.enabled }}
{{- end }}
