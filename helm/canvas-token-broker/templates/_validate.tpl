{{/* What values may not say together. Each check prints a line "- sentence" for each problem; shapes and
     unknown names are the schema's. All problems are told at once. */}}

{{- define "canvas-token-broker.validate" -}}
{{- $problems := "" -}}
{{- range list "Names" "Organizations" "Store" "Redis" "Callers" "CallerEntries" "CallerCredentials" "Canvas"
      "Tls" "Environment" "Volumes" "Probes" "Shutdown" "Budget" "Rollout" "Autoscaling" "Service" "Management" "Rules"
      "HelmTest" -}}
{{- $problems = print $problems (include (printf "canvas-token-broker.check%s" .) $ | trimSuffix "\n") -}}
{{- end -}}
{{- with $problems | trim }}
{{- fail (printf "\n\nThe values are not usable:\n%s\n" .) }}
{{- end }}
{{- end }}

{{- define "canvas-token-broker.checkNames" -}}
{{- $fullname := include "canvas-token-broker.fullname" . }}
{{- if not (regexMatch "^[a-z]([a-z0-9-]*[a-z0-9])?$" $fullname) }}
- the objects would be called {{ $fullname }}: set fullnameOverride to a name that begins with a letter a-z and has a-z, 0-9 and '-'
{{- end }}
{{- range $value := list "commonLabels" "podLabels" }}
{{- range $label := list "name" "instance" "component" }}
{{- if hasKey (get $.Values $value) (printf "app.kubernetes.io/%s" $label) }}
- {{ $value }} must not have app.kubernetes.io/{{ $label }}: by it the Services find their pods
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "canvas-token-broker.checkOrganizations" -}}
{{- with .Values }}
{{- if and .demo.enabled .organizations }}
- demo.enabled makes the one organization demo, and organizations names others: set one of them
{{- else if not (or .demo.enabled .organizations) }}
- organizations is empty: name at least one organization and the Secret with its keys, or set demo.enabled for a try without Canvas
{{- end }}
{{- end }}
{{- end }}

{{- define "canvas-token-broker.checkStore" -}}
{{- $given := list }}
{{- if .Values.redis.url }}{{ $given = append $given "redis.url" }}{{ end }}
{{- if .Values.redis.existingSecret.name }}{{ $given = append $given "redis.existingSecret.name" }}{{ end }}
{{- if .Values.valkey.enabled }}{{ $given = append $given "valkey.enabled" }}{{ end }}
{{- if not $given }}
- there is no store: set exactly one of redis.url, redis.existingSecret.name and valkey.enabled
{{- else if gt (len $given) 1 }}
- {{ join " and " $given }} are set: set exactly one of redis.url, redis.existingSecret.name and valkey.enabled
{{- end }}
{{- end }}

{{- define "canvas-token-broker.checkRedis" -}}
{{- with .Values.redis }}
{{- $tls := or .tls.caSecret .tls.clientSecret }}
{{- $sentinels := or .sentinel.username .sentinel.password.existingSecret }}
{{- $options := "(\\?(db|ssl_[a-z_]+)=[^=&#\\s]*(&(db|ssl_[a-z_]+)=[^=&#\\s]*)*)?" }}
{{- $server := "[^/?#,\\s]+(/[0-9]{0,5})?" }}
{{- $sentinel := "[^/?#,\\s]+:[0-9]{1,5}(,[^/?#,\\s]+:[0-9]{1,5})*/[A-Za-z0-9._-]+(/[0-9]{1,5})?" }}
{{- $cluster := "[^/?#\\s]+/?0?" }}
{{- $forms := list
      (printf "redis://%s(\\?db=[0-9]+)?" $server)
      (printf "redis\\+sentinel://%s" $sentinel)
      (printf "redis\\+cluster://%s" $cluster)
      (printf "rediss://%s%s" $server $options)
      (printf "rediss\\+sentinel://%s%s" $sentinel $options)
      (printf "rediss\\+cluster://%s%s" $cluster $options) }}
{{- if or (contains "@" .url) (contains "password=" .url) (contains "username=" .url) }}
- redis.url holds a login: set redis.username and redis.password.existingSecret (at the sentinels redis.sentinel.username and redis.sentinel.password.existingSecret), or put the whole URL into redis.existingSecret
{{- else if and .url (not (regexMatch (printf "^(%s)$" (join "|" $forms)) .url)) }}
- redis.url must have one of the forms redis://host:port/database, redis+sentinel://host:port,host:port/service and redis+cluster://host:port,host:port, or with TLS rediss://…, rediss+sentinel://… and rediss+cluster://…, and after a ? at most db=… and with TLS ssl_…=…
{{- end }}
{{- if and $tls (not (hasPrefix "rediss" .url)) }}
- redis.tls is set and needs a redis.url that begins with rediss://, rediss+sentinel:// or rediss+cluster://
{{- end }}
{{- if and $tls (regexMatch "ssl_(ca_certs|certfile|keyfile)=" .url) }}
- redis.url names files of TLS and so does redis.tls: set one of them
{{- end }}
{{- if and $sentinels .url (not (regexMatch "^rediss?\\+sentinel:" .url)) }}
- redis.sentinel is set and needs a redis.url that begins with redis+sentinel:// or rediss+sentinel://
{{- end }}
{{- with $.Values.valkey }}
{{- if and .enabled $.Values.organizations (not .besideRealOrganizations) }}
- valkey.enabled beside organizations would be a Valkey that keeps nothing and asks for no password: name a Redis of yours in redis.url, or set valkey.besideRealOrganizations to true
{{- end }}
{{- end }}
{{- if and $.Values.valkey.enabled (or .username .password.existingSecret $sentinels $tls) }}
- valkey.enabled has neither login nor TLS: leave redis.username, redis.password, redis.sentinel and redis.tls empty
{{- end }}
{{- end }}
{{- end }}

{{- define "canvas-token-broker.checkCallers" -}}
{{- $test := include "canvas-token-broker.testCaller" . }}
{{- $existing := include "canvas-token-broker.existingCallers" . | fromYamlArray }}
{{- with .Values }}
{{- if and .callers $existing }}
- callers and existingCallers.configMap (or configMaps) are both set: set one of them
{{- else if and $test $existing }}
- helmTest would add a caller to those of existingCallers.configMap (or configMaps): set helmTest.existingSecret to the Secret with the key of one of them
{{- else if not (or .callers $existing (and .demo.enabled $test)) }}
- callers is empty: nobody could ask for a token. Name a caller with keySha256 or serviceAccount (broker key NAME makes a key and its hash), or set existingCallers.configMap
{{- end }}
{{- if and .serviceAccountCallers.enabled (regexMatch "^(https://)?kubernetes\\.default(\\.|$)" .serviceAccountCallers.audience) }}
- serviceAccountCallers.audience is that of the API server: callers' tokens would open the cluster, too; choose a name that is this broker's alone
{{- end }}
{{- if and $test (hasKey .callers "helm-test") }}
- callers.helm-test has the name of the caller that helmTest adds: give it another name, or set helmTest.existingSecret
{{- end }}
{{- end }}
{{- end }}

{{- define "canvas-token-broker.checkCallerEntries" -}}
{{- $known := include "canvas-token-broker.organizations" . | fromYaml }}
{{- range $name, $caller := .Values.callers }}
{{- if not (or $caller.keySha256 $caller.serviceAccount) }}
- callers.{{ $name }} needs keySha256, or serviceAccount, or both
{{- end }}
{{- if and $caller.serviceAccount (not $.Values.serviceAccountCallers.enabled) }}
- callers.{{ $name }}.serviceAccount needs serviceAccountCallers.enabled
{{- end }}
{{- range $caller.organizations }}
{{- if not (or (eq . "*") (hasKey $known .)) }}
- callers.{{ $name }}.organizations has {{ . }}, which is none of organizations: {{ $known | keys | sortAlpha | join ", " }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "canvas-token-broker.checkCallerCredentials" -}}
{{- $owners := dict }}
{{- $slips := dict }}
{{- range $text := list "" "-" "\"\"" "''" "null" }}
{{- range $ending := list "" "\n" "\r\n" }}
{{- $_ := set $slips (sha256sum (print $text $ending)) (print $text $ending | quote) }}
{{- end }}
{{- end }}
{{- range $name, $caller := include "canvas-token-broker.callers" . | fromYaml }}
{{- $hashes := include "canvas-token-broker.keyHashes" $caller | fromYamlArray }}
{{- range $hashes }}
{{- with get $slips (lower .) }}
- callers.{{ $name }}.keySha256 holds the SHA-256 of {{ . }}, not of a key (broker key {{ $name }} makes a key and its hash)
{{- end }}
{{- end }}
{{- range $credential := concat $hashes (list $caller.serviceAccount) | compact }}
{{- with get $owners (lower $credential) }}
- callers {{ . }} and {{ $name }} both have {{ lower $credential }}: a key hash or service account belongs to one caller, and once
{{- end }}
{{- $_ := set $owners (lower $credential) $name }}
{{- end }}
{{- end }}
{{- end }}

{{- define "canvas-token-broker.checkCanvas" -}}
{{- with .Values.canvas }}
{{- $plain := and (hasPrefix "http:" .url) (ne (get $.Values.settings "BROKER_CANVAS_ALLOW_HTTP" | toString) "true") }}
{{- if and $.Values.demo.enabled (or .url .proxy.existingSecret .ca.configMap) }}
- demo.enabled has a Canvas of its own: leave canvas.url, canvas.proxy and canvas.ca empty
{{- else if $plain }}
- canvas.url is plain http and must be https; settings.BROKER_CANVAS_ALLOW_HTTP true lifts this
{{- end }}
{{- end }}
{{- end }}

{{- define "canvas-token-broker.checkTls" -}}
{{- with .Values.tls }}
{{- if and .clientCaSecret (not .existingSecret) }}
- tls.clientCaSecret needs tls.existingSecret
{{- end }}
{{- if and (eq .clientCerts "required") (not .clientCaSecret) }}
- tls.clientCerts is required and needs tls.clientCaSecret, the authorities whose certificates are taken
{{- end }}
{{- end }}
{{- if include "canvas-token-broker.asksForCertificates" . }}
{{- if .Values.helmTest.enabled }}
- helmTest.enabled has no client certificate to show: set tls.clientCerts to optional, or leave the test out
{{- end }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled (not .Values.serviceMonitor.tlsConfig) (include "canvas-token-broker.asksOperatorsForCertificates" .) }}
- serviceMonitor.tlsConfig must name the client certificate that tls.clientCerts=required asks for; management.tls=false lets Prometheus do without
{{- end }}
{{- end }}

{{- define "canvas-token-broker.checkEnvironment" -}}
{{- $reserved := include "canvas-token-broker.reservedSettings" . | fromYaml }}
{{- $seen := include "canvas-token-broker.ownSettings" . | fromYaml }}
{{- $names := .Values.settings | keys | sortAlpha }}
{{- range .Values.extraEnv }}{{ $names = append $names .name }}{{ end }}
{{- range $name := $names }}
{{- $value := get $reserved (trimSuffix "_FILE" $name) }}
{{- if $value }}
- {{ $name }} is set by the chart: use the value {{ $value }}
{{- else if hasKey $seen $name }}
- {{ $name }} is set twice, by settings, extraEnv or the chart: set it once
{{- end }}
{{- $_ := set $seen $name true }}
{{- end }}
{{- end }}

{{- define "canvas-token-broker.checkVolumes" -}}
{{- $taken := list "credentials" "callers" "canvas" "redis" "tls" "service-account" "tmp" "runtime" "listener" }}
{{- range .Values.extraVolumes }}
{{- if has .name $taken }}
- extraVolumes has {{ .name }}, a name of the chart's or used before: the chart's are {{ slice $taken 0 9 | join ", " }}
{{- end }}
{{- $taken = append $taken .name }}
{{- end }}
{{- $paths := dict }}
{{- range concat (include "canvas-token-broker.volumeMounts" . | fromYamlArray) .Values.extraVolumeMounts }}
{{- if hasKey $paths .mountPath }}
- extraVolumeMounts has the path {{ .mountPath }}, which is the chart's or used before: choose another
{{- end }}
{{- $_ := set $paths .mountPath true }}
{{- end }}
{{- $containers := list "broker" "listener" }}
{{- range concat .Values.extraInitContainers .Values.extraContainers }}
{{- if has .name $containers }}
- extraContainers or extraInitContainers has {{ .name }}, which is a name of the chart's or used before: give each its own
{{- end }}
{{- $containers = append $containers .name }}
{{- end }}
{{- end }}

{{- define "canvas-token-broker.checkProbes" -}}
{{- with .Values.livenessProbe }}
{{- $window := mul .periodSeconds .failureThreshold }}
{{- if le $window 30 }}
- livenessProbe.periodSeconds times livenessProbe.failureThreshold is {{ $window }} s and must be more than 30: within these gunicorn replaces a hanging worker by itself
{{- end }}
{{- end }}
{{- end }}

{{- define "canvas-token-broker.checkShutdown" -}}
{{- with .Values.shutdown.gracefulTimeoutSeconds }}
{{- if lt (int .) 20 }}
- shutdown.gracefulTimeoutSeconds is {{ . }} and must be at least 20: two calls to Canvas, a request and some seconds more
{{- end }}
{{- end }}
{{- end }}
