{{/* Names, labels and the metadata of every object. Most take (dict "root" $ "component" "broker"). */}}

{{- define "canvas-token-broker.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Cut to 52: a ReplicaSet appends 11 characters, and a label holds 63. */}}
{{- define "canvas-token-broker.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $both := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $both .Values.fullnameOverride | replace "." "-" | trunc 52 | trimSuffix "-" }}
{{- end }}

{{/* The full name and a suffix, cut as well: (dict "root" $ "suffix" "valkey"). */}}
{{- define "canvas-token-broker.suffixed" -}}
{{- $fullname := include "canvas-token-broker.fullname" .root -}}
{{- with .suffix -}}
{{- printf "%s-%s" ($fullname | trunc (sub 51 (len .) | int) | trimSuffix "-") . }}
{{- else -}}
{{- $fullname }}
{{- end }}
{{- end }}

{{- define "canvas-token-broker.serviceAccountName" -}}
{{- $own := ternary (include "canvas-token-broker.fullname" .) "default" .Values.serviceAccount.create -}}
{{- default $own .Values.serviceAccount.name }}
{{- end }}

{{/* What tells the pods of one workload from all others. */}}
{{- define "canvas-token-broker.selectorLabels" -}}
app.kubernetes.io/name: {{ include "canvas-token-broker.name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Labels of an object or a pod; "labels" are added to them. */}}
{{- define "canvas-token-broker.labels" -}}
{{- $chart := printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" -}}
{{- $own := dict
      "helm.sh/chart" $chart
      "app.kubernetes.io/version" .root.Chart.AppVersion
      "app.kubernetes.io/part-of" "canvas-token-broker"
      "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- if .root.Values.demo.enabled }}{{ $_ := set $own "canvas-token-broker/demo" "not-for-production" }}{{ end -}}
{{- $selector := include "canvas-token-broker.selectorLabels" . | fromYaml -}}
{{- toYaml (merge $selector $own (.labels | default dict) .root.Values.commonLabels) }}
{{- end }}

{{/* Metadata of the pods of a workload. Without the chart's version: a new one alone restarts nothing. */}}
{{- define "canvas-token-broker.podMetadata" -}}
labels:
  {{- omit (include "canvas-token-broker.labels" . | fromYaml) "helm.sh/chart" | toYaml | nindent 2 }}
{{- include "canvas-token-broker.annotations" . }}
{{- end }}

{{/* Metadata of an object. "suffix", "labels" and "annotations" may be left out; "name" goes before the
     usual one, and "cluster" is for an object that is in no namespace. */}}
{{- define "canvas-token-broker.metadata" -}}
name: {{ .name | default (include "canvas-token-broker.suffixed" .) | quote }}
{{- if not .cluster }}
namespace: {{ .root.Release.Namespace | quote }}
{{- end }}
labels:
  {{- include "canvas-token-broker.labels" . | nindent 2 }}
{{- include "canvas-token-broker.annotations" . }}
{{- end }}

{{- define "canvas-token-broker.annotations" -}}
{{- with merge dict (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
