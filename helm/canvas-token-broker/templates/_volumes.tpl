{{/* The broker's volumes. Files are mounted as whole folders: a file mounted by subPath never changes. */}}

{{/* A projected volume of those sources that have a name, if there is one: (dict "name" "redis" "sources"
     (list (dict "kind" "secret" "name" "redis-login" "items" (dict "path" "key")))). A source may be
     "optional"; the kind serviceAccountToken is one by itself, with "audience" for another than the API
     server's. */}}
{{- define "canvas-token-broker.projected" -}}
{{- $sources := "" -}}
{{- range .sources }}
{{- if eq .kind "serviceAccountToken" }}
{{- $sources = print $sources (include "canvas-token-broker.tokenSource" .) }}
{{- else if .name }}
{{- $sources = print $sources (include "canvas-token-broker.source" .) }}
{{- end }}
{{- end }}
{{- with $sources | trim }}
- name: {{ $.name }}
  projected:
    defaultMode: 288 # 0440: for the group, which is fsGroup
    sources:
      {{- . | nindent 6 }}
{{- end }}
{{- end }}

{{- define "canvas-token-broker.source" -}}
- {{ .kind }}:
    name: {{ .name | quote }}
    items:
      {{- range $path, $key := .items }}
      - key: {{ $key | quote }}
        path: {{ $path }}
      {{- end }}
    {{- if .optional }}
    optional: true
    {{- end }}
{{ end }}

{{- define "canvas-token-broker.tokenSource" -}}
- serviceAccountToken:
    {{- with .audience }}
    audience: {{ . | quote }}
    {{- end }}
    expirationSeconds: 3600
    path: token
{{ end }}

{{- define "canvas-token-broker.memoryVolume" -}}
- name: {{ .name }}
  emptyDir:
    medium: Memory
    sizeLimit: {{ .size | quote }}
{{- end }}

{{/* The organizations that there are: those of the values, or the demo's. */}}
{{- define "canvas-token-broker.organizations" -}}
{{- if .Values.demo.enabled -}}
demo:
  secretName: {{ include "canvas-token-broker.suffixed" (dict "root" . "suffix" "demo-keys") }}
{{- else -}}
{{- toYaml .Values.organizations }}
{{- end }}
{{- end }}

{{/* A folder for each organization. */}}
{{- define "canvas-token-broker.credentialsVolume" -}}
{{- $sources := list -}}
{{- range $name, $organization := include "canvas-token-broker.organizations" . | fromYaml -}}
{{- $items := dict
      (printf "%s/consumer" $name) ($organization.consumerKey | default "consumer")
      (printf "%s/secret-key" $name) ($organization.secretKeyKey | default "secret-key") -}}
{{- $source := dict "kind" "secret" "name" $organization.secretName "items" $items "optional" $organization.optional -}}
{{- $sources = append $sources $source -}}
{{- end -}}
{{- include "canvas-token-broker.projected" (dict "name" "credentials" "sources" $sources) }}
{{- end }}

{{- define "canvas-token-broker.callersVolume" -}}
{{- $own := include "canvas-token-broker.suffixed" (dict "root" . "suffix" "callers") -}}
{{- $sources := list -}}
{{- range include "canvas-token-broker.existingCallers" . | fromYamlArray -}}
{{- $items := dict (printf "%s.toml" .) $.Values.existingCallers.key -}}
{{- $sources = append $sources (dict "kind" "configMap" "name" . "items" $items) -}}
{{- end -}}
{{- if not $sources -}}
{{- $sources = list (dict "kind" "configMap" "name" $own "items" (dict "callers.toml" "callers.toml")) -}}
{{- end -}}
{{- include "canvas-token-broker.projected" (dict "name" "callers" "sources" $sources) }}
{{- end }}

{{- define "canvas-token-broker.canvasVolume" -}}
{{- with .Values.canvas -}}
{{- $sources := list
      (dict "kind" "secret" "name" .proxy.existingSecret "items" (dict "proxy-url" .proxy.key))
      (dict "kind" "configMap" "name" .ca.configMap "items" (dict "ca.crt" .ca.key)) -}}
{{- include "canvas-token-broker.projected" (dict "name" "canvas" "sources" $sources) }}
{{- end }}
{{- end }}

{{- define "canvas-token-broker.redisVolume" -}}
{{- with .Values.redis -}}
{{- $sentinel := .sentinel.password -}}
{{- $sources := list
      (dict "kind" "secret" "name" .existingSecret.name "items" (dict "url" .existingSecret.key))
      (dict "kind" "secret" "name" .password.existingSecret "items" (dict "password" .password.key))
      (dict "kind" "secret" "name" $sentinel.existingSecret "items" (dict "sentinel-password" $sentinel.key))
      (dict "kind" "secret" "name" .tls.caSecret "items" (dict "ca.crt" .tls.caKey))
      (dict "kind" "secret" "name" .tls.clientSecret "items" (dict "tls.crt" "tls.crt" "tls.key" "tls.key")) -}}
{{- include "canvas-token-broker.projected" (dict "name" "redis" "sources" $sources) }}
{{- end }}
{{- end }}

{{- define "canvas-token-broker.tlsVolume" -}}
{{- with .Values.tls -}}
{{- $sources := list
      (dict "kind" "secret" "name" .existingSecret "items" (dict "tls.crt" "tls.crt" "tls.key" "tls.key"))
      (dict "kind" "secret" "name" .clientCaSecret "items" (dict "client-ca.crt" .clientCaKey)) -}}
{{- include "canvas-token-broker.projected" (dict "name" "tls" "sources" $sources) }}
{{- end }}
{{- end }}

{{/* A token for the API server, to read the keys that the cluster signs with. */}}
{{- define "canvas-token-broker.serviceAccountVolume" -}}
{{- if .Values.serviceAccountCallers.enabled -}}
{{- $sources := list
      (dict "kind" "serviceAccountToken")
      (dict "kind" "configMap" "name" "kube-root-ca.crt" "items" (dict "ca.crt" "ca.crt")) -}}
{{- include "canvas-token-broker.projected" (dict "name" "service-account" "sources" $sources) }}
{{- end }}
{{- end }}

{{- define "canvas-token-broker.volumes" -}}
{{- include "canvas-token-broker.credentialsVolume" . }}
{{- include "canvas-token-broker.callersVolume" . }}
{{- include "canvas-token-broker.canvasVolume" . }}
{{- include "canvas-token-broker.redisVolume" . }}
{{- include "canvas-token-broker.tlsVolume" . }}
{{- include "canvas-token-broker.serviceAccountVolume" . }}
{{ include "canvas-token-broker.memoryVolume" (dict "name" "tmp" "size" .Values.memoryVolumes.tmp) }}
{{ include "canvas-token-broker.memoryVolume" (dict "name" "runtime" "size" .Values.memoryVolumes.runtime) }}
{{- if .Values.listener.enabled }}
{{ include "canvas-token-broker.memoryVolume" (dict "name" "listener" "size" "64Ki") }}
{{- end }}
{{- end }}

{{/* A mount for each of the volumes above. */}}
{{- define "canvas-token-broker.volumeMounts" -}}
{{- $elsewhere := dict
      "service-account" "/var/run/secrets/canvas-token-broker"
      "tmp" "/tmp"
      "runtime" "/run/canvas-token-broker"
      "listener" "/run/listener" -}}
{{- range include "canvas-token-broker.volumes" . | fromYamlArray }}
- name: {{ .name }}
  mountPath: {{ get $elsewhere .name | default (printf "/etc/canvas-token-broker/%s" .name) }}
  {{- if .projected }}
  readOnly: true
  {{- end }}
{{- end }}
{{- end }}
