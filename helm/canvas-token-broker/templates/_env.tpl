{{/* The broker's settings. Secrets are in files (_volumes.tpl), never in here. */}}

{{/* The settings that the chart makes of its values: name → value. */}}
{{- define "canvas-token-broker.ownSettings" -}}
{{- with .Values -}}
BROKER_BIND: {{ ternary "[::]:8080" "0.0.0.0:8080" .ipv6 | quote }}
{{- if .management.enabled }}
BROKER_MANAGEMENT_BIND: {{ ternary "[::]:8081" "0.0.0.0:8081" .ipv6 | quote }}
BROKER_MANAGEMENT_TLS: {{ ternary "same" "off" .management.tls | quote }}
{{- end }}
BROKER_WORKERS: {{ .workers | int }}
BROKER_THREADS: {{ .threads | int }}
BROKER_RUNTIME_DIR: /run/canvas-token-broker
{{- if .listener.enabled }}
BROKER_LISTENER: /run/listener/socket
{{- end }}
BROKER_DRAIN_TIME: {{ .shutdown.drainSeconds | int }}
BROKER_GRACEFUL_TIMEOUT: {{ .shutdown.gracefulTimeoutSeconds | int }}
BROKER_CREDENTIALS_DIR: /etc/canvas-token-broker/credentials
BROKER_CALLERS_FILE: /etc/canvas-token-broker/callers
BROKER_LOG_LEVEL: {{ .log.level }}
BROKER_LOG_FORMAT: {{ .log.format }}
BROKER_REQUEST_LOG: {{ toJson .log.requests }}
BROKER_AUDIT_LOG: {{ .auditLog | quote }}
{{- with .publicUrl }}
BROKER_PUBLIC_URL: {{ . | quote }}
{{- end }}
{{- end }}
{{- include "canvas-token-broker.canvasSettings" . }}
{{- include "canvas-token-broker.redisSettings" . }}
{{- include "canvas-token-broker.kubernetesSettings" . }}
{{- include "canvas-token-broker.tlsSettings" . }}
{{- end }}

{{- define "canvas-token-broker.canvasSettings" -}}
{{- if .Values.demo.enabled }}
BROKER_CANVAS_URL: http://{{ include "canvas-token-broker.suffixed" (dict "root" . "suffix" "canvas-emulator") }}:8090/api
BROKER_CANVAS_ALLOW_HTTP: true
{{- else if .Values.canvas.url }}
BROKER_CANVAS_URL: {{ .Values.canvas.url | quote }}
{{- end }}
{{- with .Values.canvas }}
{{- if .proxy.existingSecret }}
BROKER_CANVAS_PROXY_FILE: /etc/canvas-token-broker/canvas/proxy-url
{{- end }}
{{- if .ca.configMap }}
BROKER_CANVAS_CA_FILE: /etc/canvas-token-broker/canvas/ca.crt
{{- end }}
{{- end }}
{{- end }}

{{- define "canvas-token-broker.redisSettings" -}}
{{- with include "canvas-token-broker.redisUrl" . }}
BROKER_REDIS_URL: {{ . | quote }}
{{- end }}
{{- with .Values.redis }}
{{- if .existingSecret.name }}
BROKER_REDIS_URL_FILE: /etc/canvas-token-broker/redis/url
{{- end }}
{{- with .username }}
BROKER_REDIS_USERNAME: {{ . | quote }}
{{- end }}
{{- if .password.existingSecret }}
BROKER_REDIS_PASSWORD_FILE: /etc/canvas-token-broker/redis/password
{{- end }}
{{- with .sentinel.username }}
BROKER_REDIS_SENTINEL_USERNAME: {{ . | quote }}
{{- end }}
{{- if .sentinel.password.existingSecret }}
BROKER_REDIS_SENTINEL_PASSWORD_FILE: /etc/canvas-token-broker/redis/sentinel-password
{{- end }}
{{- with .prefix }}
BROKER_REDIS_PREFIX: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* The URL of Redis where it is no secret, with the files of TLS in its query. */}}
{{- define "canvas-token-broker.redisUrl" -}}
{{- $url := .Values.redis.url -}}
{{- if .Values.valkey.enabled -}}
{{- $url = printf "redis://%s:6379/0" (include "canvas-token-broker.suffixed" (dict "root" . "suffix" "valkey")) -}}
{{- end -}}
{{- $files := list -}}
{{- if .Values.redis.tls.caSecret -}}
{{- $files = append $files "ssl_ca_certs=/etc/canvas-token-broker/redis/ca.crt" -}}
{{- end -}}
{{- if .Values.redis.tls.clientSecret -}}
{{- $files = append $files "ssl_certfile=/etc/canvas-token-broker/redis/tls.crt" -}}
{{- $files = append $files "ssl_keyfile=/etc/canvas-token-broker/redis/tls.key" -}}
{{- end -}}
{{- with $files -}}
{{- $url = printf "%s%s%s" $url (ternary "&" "?" (contains "?" $url)) (join "&" .) -}}
{{- end -}}
{{- $url }}
{{- end }}

{{- define "canvas-token-broker.kubernetesSettings" -}}
{{- with .Values.serviceAccountCallers }}
{{- if .enabled }}
BROKER_KUBERNETES_AUDIENCE: {{ .audience | quote }}
BROKER_KUBERNETES_TOKEN_FILE: /var/run/secrets/canvas-token-broker/token
BROKER_KUBERNETES_CA_FILE: /var/run/secrets/canvas-token-broker/ca.crt
{{- with .issuer }}
BROKER_KUBERNETES_ISSUER: {{ . | quote }}
{{- end }}
{{- with .jwksUrl }}
BROKER_KUBERNETES_JWKS_URL: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "canvas-token-broker.tlsSettings" -}}
{{- with .Values.tls }}
{{- if .existingSecret }}
BROKER_TLS_CERT_FILE: /etc/canvas-token-broker/tls/tls.crt
BROKER_TLS_KEY_FILE: /etc/canvas-token-broker/tls/tls.key
{{- end }}
{{- if .clientCaSecret }}
BROKER_TLS_CLIENT_CA_FILE: /etc/canvas-token-broker/tls/client-ca.crt
BROKER_TLS_CLIENT_CERTS: {{ .clientCerts }}
{{- end }}
{{- end }}
{{- end }}

{{/* All settings as an environment, by name, then what the values add. */}}
{{- define "canvas-token-broker.env" -}}
{{- $settings := include "canvas-token-broker.ownSettings" . | fromYaml -}}
{{- range $name, $value := merge $settings .Values.settings }}
- name: {{ $name }}
  value: {{ include "canvas-token-broker.text" $value | quote }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Which value is meant by a setting that the chart keeps to itself: name, without _FILE → value. */}}
{{- define "canvas-token-broker.reservedSettings" -}}
BROKER_BIND: ipv6
BROKER_MANAGEMENT_BIND: management.enabled
BROKER_MANAGEMENT_TLS: management.tls
BROKER_LISTENER: listener.enabled
BROKER_WORKERS: workers
BROKER_THREADS: threads
BROKER_RUNTIME_DIR: memoryVolumes.runtime
BROKER_DRAIN_TIME: shutdown.drainSeconds
BROKER_GRACEFUL_TIMEOUT: shutdown.gracefulTimeoutSeconds
BROKER_CREDENTIALS_DIR: organizations
BROKER_CONSUMER: organizations
BROKER_SECRET_KEY: organizations
BROKER_CALLERS: callers
BROKER_CALLER_AUTH: callers
BROKER_LOG_LEVEL: log.level
BROKER_LOG_FORMAT: log.format
BROKER_REQUEST_LOG: log.requests
BROKER_AUDIT_LOG: auditLog
BROKER_PUBLIC_URL: publicUrl
BROKER_CANVAS_URL: canvas.url
BROKER_CANVAS_PROXY: canvas.proxy
BROKER_CANVAS_CA: canvas.ca
BROKER_REDIS_URL: redis.url or redis.existingSecret
BROKER_REDIS_USERNAME: redis.username
BROKER_REDIS_PASSWORD: redis.password
BROKER_REDIS_SENTINEL_USERNAME: redis.sentinel.username
BROKER_REDIS_SENTINEL_PASSWORD: redis.sentinel.password
BROKER_REDIS_PREFIX: redis.prefix
BROKER_KUBERNETES_AUDIENCE: serviceAccountCallers.audience
BROKER_KUBERNETES_ISSUER: serviceAccountCallers.issuer
BROKER_KUBERNETES_JWKS_URL: serviceAccountCallers.jwksUrl
BROKER_KUBERNETES_TOKEN: serviceAccountCallers.enabled
BROKER_KUBERNETES_CA: serviceAccountCallers.enabled
BROKER_TLS_CERT: tls.existingSecret
BROKER_TLS_KEY: tls.existingSecret
BROKER_TLS_CLIENT_CA: tls.clientCaSecret
BROKER_TLS_CLIENT_CERTS: tls.clientCerts
{{- end }}
