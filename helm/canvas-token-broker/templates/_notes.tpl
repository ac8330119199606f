{{/* The parts of NOTES.txt. */}}

{{/* Each thing that must be there already: a line for each. */}}
{{- define "canvas-token-broker.notes.secrets" -}}
{{- $needed := list }}
{{- range $name, $organization := .Values.organizations }}
{{- $keys := printf "%s, %s" ($organization.consumerKey | default "consumer") ($organization.secretKeyKey | default "secret-key") }}
{{- $left := ternary "; pods start without it" "" ($organization.optional | default false) }}
{{- $needed = append $needed (list "Secret" $organization.secretName $keys (printf "the Canvas keys of %s%s" $name $left)) }}
{{- end }}
{{- with .Values.redis }}
{{- $needed = append $needed (list "Secret" .existingSecret.name .existingSecret.key "the URL of Redis") }}
{{- $needed = append $needed (list "Secret" .password.existingSecret .password.key "the password at Redis") }}
{{- $needed = append $needed (list "Secret" .sentinel.password.existingSecret .sentinel.password.key "the password at the sentinels") }}
{{- $needed = append $needed (list "Secret" .tls.caSecret .tls.caKey "the authority of Redis") }}
{{- $needed = append $needed (list "Secret" .tls.clientSecret "tls.crt, tls.key" "the certificate shown to Redis") }}
{{- end }}
{{- with .Values.canvas }}
{{- $needed = append $needed (list "Secret" .proxy.existingSecret .proxy.key "the URL of the proxy") }}
{{- $needed = append $needed (list "ConfigMap" .ca.configMap .ca.key "the authorities trusted for Canvas") }}
{{- end }}
{{- with .Values.tls }}
{{- $host := include "canvas-token-broker.host" $ }}
{{- $needed = append $needed (list "Secret" .existingSecret "tls.crt, tls.key" (printf "a certificate for %s" $host)) }}
{{- $needed = append $needed (list "Secret" .clientCaSecret .clientCaKey "the authorities of client certificates") }}
{{- end }}
{{- range include "canvas-token-broker.existingCallers" . | fromYamlArray }}
{{- $needed = append $needed (list "ConfigMap" . $.Values.existingCallers.key "a callers file") }}
{{- end }}
{{- with .Values.helmTest }}
{{- $needed = append $needed (list "Secret" (ternary .existingSecret "" .enabled) .key "a caller's key, for the test") }}
{{- end }}
{{- $lines := list }}
{{- range $needed }}
{{- if index . 1 }}
{{- $lines = append $lines (printf "  %-9s  %-32s  %-24s  %s" (index . 0) (index . 1) (index . 2) (index . 3)) }}
{{- end }}
{{- end }}
{{- with $lines }}
1. These must be in the namespace {{ $.Release.Namespace }}, each with these keys; pods wait until they are:

{{ join "\n" . }}
{{- else }}
1. No Secret is left to make.
{{- end }}
{{- end }}

{{/* How to see that it works. */}}
{{- define "canvas-token-broker.notes.look" -}}
{{- $fullname := include "canvas-token-broker.fullname" . -}}
{{- $namespace := .Release.Namespace -}}
2. See that it works:

  kubectl -n {{ $namespace }} rollout status deployment/{{ $fullname }}
  kubectl -n {{ $namespace }} exec deployment/{{ $fullname }} -c broker -- broker check
{{- if .Values.helmTest.enabled }}
  helm -n {{ $namespace }} test {{ .Release.Name }} --logs
{{- else }}

  helmTest.enabled lets `helm test` get a token.
{{- end }}

{{- $operators := include "canvas-token-broker.suffixed" (dict "root" . "suffix" (ternary "management" "" .Values.management.enabled)) }}

  What it says of itself, at {{ include "canvas-token-broker.operatorsScheme" . }}://127.0.0.1:8081/status:

  kubectl -n {{ $namespace }} port-forward service/{{ $operators }} 8081:{{ include "canvas-token-broker.operatorsPort" . }}
{{- if include "canvas-token-broker.testCaller" . }}

  The first token by hand, as the caller helm-test:

  kubectl -n {{ $namespace }} port-forward service/{{ $fullname }} 8080:{{ include "canvas-token-broker.portName" . }} &
  curl -sS {{ if .Values.tls.existingSecret }}-k {{ end }}-H "Authorization: Bearer $(kubectl -n {{ $namespace }} create token {{ include "canvas-token-broker.suffixed" (dict "root" . "suffix" "test") }} --audience {{ .Values.serviceAccountCallers.audience }})" {{ include "canvas-token-broker.portName" . }}://127.0.0.1:8080/token
{{- end }}
{{- end }}

{{/* Who the callers are, and how to add one. */}}
{{- define "canvas-token-broker.notes.callers" -}}
{{- with include "canvas-token-broker.existingCallers" . | fromYamlArray -}}
3. The callers are in the ConfigMap {{ join ", " . }}; a change is in force within two minutes, without a restart.
{{- else -}}
3. The callers are {{ include "canvas-token-broker.callers" . | fromYaml | keys | sortAlpha | join ", " }}. Add others to the value `callers`, and upgrade; no pod restarts. By key (`broker key NAME` makes one and its hash):

  callers:
    billing:
      keySha256: <the hash>
      organizations: [{{ include "canvas-token-broker.testOrganization" . }}]
{{- if .Values.serviceAccountCallers.enabled }}

  By service account, without a key:

  callers:
    orders:
      serviceAccount: <namespace>:<name>
      organizations: [{{ include "canvas-token-broker.testOrganization" . }}]
{{- else }}

  By service account, without a key: set serviceAccountCallers.enabled.
{{- end }}
{{- end }}
{{- end }}

{{/* What goes into the specification of a pod that asks for tokens. */}}
{{- define "canvas-token-broker.notes.pod" -}}
{{- $accounts := .Values.serviceAccountCallers -}}
{{- if $accounts.enabled -}}
By its service account, which must be one of the callers:

  containers:
    - env:
        - name: TOKEN_BROKER
          value: {{ include "canvas-token-broker.notes.url" . | quote }}
        - name: TOKEN_BROKER_TOKEN_FILE
          value: /var/run/secrets/canvas-token-broker/token
      volumeMounts:
        - name: canvas-token-broker
          mountPath: /var/run/secrets/canvas-token-broker
          readOnly: true
  volumes:
    - name: canvas-token-broker
      projected:
        sources:
          - serviceAccountToken:
              audience: {{ $accounts.audience | quote }}
              expirationSeconds: 3600
              path: token

A caller by key has no such volume, and in place of the file TOKEN_BROKER_KEY, from a Secret of its own namespace.
{{- else -}}
By its key, in a Secret of its own namespace (here billing-key, with the key key):

  containers:
    - env:
        - name: TOKEN_BROKER
          value: {{ include "canvas-token-broker.notes.url" . | quote }}
        - name: TOKEN_BROKER_KEY
          valueFrom:
            secretKeyRef:
              name: billing-key
              key: key
{{- end }}
{{- end }}

{{/* What stands after Bearer in the shell of such a pod. */}}
{{- define "canvas-token-broker.notes.credential" -}}
{{- ternary "$(cat \"$TOKEN_BROKER_TOKEN_FILE\")" "$TOKEN_BROKER_KEY" .Values.serviceAccountCallers.enabled }}
{{- end }}

{{- define "canvas-token-broker.notes.url" -}}
{{- .Values.publicUrl | default (include "canvas-token-broker.url" .) }}
{{- end }}
