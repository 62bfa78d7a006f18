{{- define "vestibule.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "vestibule.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (include "vestibule.name" .) .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "vestibule.name" .) | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "vestibule.selector" -}}
app.kubernetes.io/name: {{ include "vestibule.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "vestibule.labels" -}}
{{ include "vestibule.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "vestibule.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "vestibule.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "vestibule.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}
{{- end }}

{{- /* Secrets with certificates, as a JSON object with one key. */ -}}
{{- define "vestibule.certificates" -}}
{{- $secrets := .Values.tls.secrets }}
{{- if .Values.tls.certManager.enabled }}
{{- $secrets = append $secrets (printf "%s-tls" (include "vestibule.fullname" .)) }}
{{- end }}
{{- dict "secrets" (uniq $secrets) | toJson }}
{{- end }}

{{- /* The configuration: keys with dots, so that the tables of `config` can follow. */ -}}
{{- define "vestibule.config" -}}
{{- $proxy := "" }}
{{- if .Values.proxyProtocol }}
{{- $proxy = printf ", proxy_protocol = %s" (toJson .Values.proxyProtocol) }}
{{- end -}}
{{- if .Values.serverName -}}
server_name = {{ .Values.serverName | toJson }}
homeserver = {{ .Values.homeserver | toJson }}
{{ end -}}
listeners = [
  { address = "*:8080", profile = "redirect"{{ $proxy }} },
  { address = "*:8443", tls = true{{ $proxy }} },
  { address = "*:8448"{{ $proxy }} },
]
{{- with .Values.trustedProxies }}
trusted_proxies = {{ toJson . }}
{{- end }}
{{- if eq .Values.tls.source "files" }}
tls.source = "files"
tls.certificates = [
{{- range (include "vestibule.certificates" . | fromJson).secrets }}
  { certificate = "/run/secrets/vestibule/{{ . }}/tls.crt", key = "/run/secrets/vestibule/{{ . }}/tls.key" },
{{- end }}
]
{{- else }}
tls.source = "internal"
{{- end }}
{{- with .Values.tls.ticketSecret }}
tls.ticket_secret = "/run/secrets/vestibule/{{ . }}/secret"
{{- end }}
watch_config = {{ not .Values.restartOnChange }}
timeouts.drain = "{{ int .Values.drainSeconds }}s"
admin.address = "*:9180"
admin.allow_remote = true
{{- with .Values.config }}

{{ . | trimSuffix "\n" }}
{{- end }}
{{- end }}
