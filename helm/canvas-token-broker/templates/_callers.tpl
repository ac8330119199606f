{{/* The account that `helm test` runs as is a caller of the demo; of others only where that is asked for. */}}
{{- define "canvas-token-broker.testCaller" -}}
{{- with .Values.helmTest }}
{{- if and .enabled (not .existingSecret) (or .serviceAccountCaller $.Values.demo.enabled) -}}
helm-test:
  serviceAccount: "{{ $.Release.Namespace }}:{{ include "canvas-token-broker.suffixed" (dict "root" $ "suffix" "test") }}"
  organizations: [{{ include "canvas-token-broker.testOrganization" $ | quote }}]
{{- end }}
{{- end }}
{{- end }}

{{- define "canvas-token-broker.testOrganization" -}}
{{- $names := include "canvas-token-broker.organizations" . | fromYaml | keys | sortAlpha -}}
{{- .Values.helmTest.organization | default (first $names) }}
{{- end }}

{{/* The ConfigMaps of others that hold the callers, as a list. */}}
{{- define "canvas-token-broker.existingCallers" -}}
{{- with .Values.existingCallers -}}
{{- toYaml (concat (list .configMap) .configMaps | compact | uniq) }}
{{- end }}
{{- end }}

{{/* All callers: name → entry. */}}
{{- define "canvas-token-broker.callers" -}}
{{- $test := include "canvas-token-broker.testCaller" . | fromYaml -}}
{{- toYaml (merge dict .Values.callers $test) }}
{{- end }}

{{/* The hashes of one caller's keys, as a list: one may stand alone. */}}
{{- define "canvas-token-broker.keyHashes" -}}
{{- with .keySha256 }}
{{- toYaml (kindIs "slice" . | ternary . (list .)) }}
{{- end }}
{{- end }}

{{/* The callers file, as docs/settings.md describes it. */}}
{{- define "canvas-token-broker.callersFile" -}}
{{- range $name, $caller := include "canvas-token-broker.callers" . | fromYaml }}
[callers.{{ $name | quote }}]
{{- with include "canvas-token-broker.keyHashes" $caller | fromYamlArray }}
key_sha256 = {{ toJson . }}
{{- end }}
{{- with $caller.serviceAccount }}
service_account = {{ . | quote }}
{{- end }}
organizations = {{ toJson $caller.organizations }}
{{ end }}
{{- end }}
