{{/* What every pod has in common. Called with "root", its "component", the name of its ServiceAccount, "account", and how many there are,
     "replicas"; without that it is one. "rights" is the ConfigMap that `helm test` compares with; without that there is none. */}}
{{- define "argocd-access-operator.podSpec" -}}
serviceAccountName: {{ .account | quote }}
automountServiceAccountToken: true
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  seccompProfile:
    type: RuntimeDefault
terminationGracePeriodSeconds: {{ .root.Values.terminationGracePeriodSeconds }}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "argocd-access-operator.spread" . }}
topologySpreadConstraints:
  {{- . | nindent 2 }}
{{- end }}
volumes:
- name: config
  configMap:
    name: {{ include "argocd-access-operator.fullname" .root | quote }}
{{- with .rights }}
- name: rights
  configMap:
    name: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* And every container. Called with "root", "resources", "extraEnv" and "rights", as above. */}}
{{- define "argocd-access-operator.container" -}}
image: {{ include "argocd-access-operator.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
env:
- name: ARGOCD_ACCESS_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: ARGOCD_ACCESS_POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: ARGOCD_ACCESS_LOG_FORMAT
  value: {{ .root.Values.log.format }}
- name: ARGOCD_ACCESS_LOG_LEVEL
  value: {{ .root.Values.log.level | quote }}
{{- with .extraEnv }}
{{ toYaml . }}
{{- end }}
securityContext:
  allowPrivilegeEscalation: false
  capabilities:
    drop: [ALL]
  privileged: false
  readOnlyRootFilesystem: true
{{- with .resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
- name: config
  mountPath: /etc/argocd-access
  readOnly: true
{{- if .rights }}
- name: rights
  mountPath: /etc/argocd-access-rights
  readOnly: true
{{- end }}
{{- end -}}

{{/* A Deployment of the operator. Called with "root", "name", "component", "account" (its ServiceAccount), "args" (those of `run`, beside
     the configuration's and the listening address), "replicas", "resources" and "extraEnv". */}}
{{- define "argocd-access-operator.deployment" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "argocd-access-operator.metadata" (dict "root" .root "name" .name "component" .component) | nindent 2 }}
  namespace: {{ .root.Release.Namespace | quote }}
spec:
  # One of them writes, in each instance by a Lease; the others stand by and know everything already.
  replicas: {{ .replicas }}
  strategy:
    type: RollingUpdate
    rollingUpdate:
      # The new one is ready before the old one is told to end and gives its Lease back.
      maxSurge: 1
      maxUnavailable: 0
  revisionHistoryLimit: 3
  selector:
    matchLabels:
      {{- include "argocd-access-operator.selectorLabels" .root | nindent 6 }}
      app.kubernetes.io/component: {{ .component }}
  template:
    metadata:
      labels:
        {{- include "argocd-access-operator.podLabels" .root | nindent 8 }}
        app.kubernetes.io/component: {{ .component }}
      annotations:
        # The operator reads its configuration at its start.
        argocd-access.dev/config-checksum: {{ include "argocd-access-operator.config" .root | sha256sum }}
        kubectl.kubernetes.io/default-container: operator
        {{- with .root.Values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      {{- include "argocd-access-operator.podSpec" . | nindent 6 }}
      containers:
      - name: operator
        args:
        - run
        {{- range .args }}
        - {{ . }}
        {{- end }}
        - --listen={{ .root.Values.listen.address }}:{{ .root.Values.listen.port }}
        ports:
        - name: http
          containerPort: {{ .root.Values.listen.port }}
          protocol: TCP
        # Up to two minutes for the first list of everything; until then a slow API server is no reason to start again.
        startupProbe:
          httpGet:
            path: /livez
            port: http
          periodSeconds: 2
          failureThreshold: 60
        livenessProbe:
          httpGet:
            path: /livez
            port: http
          periodSeconds: 10
          timeoutSeconds: 3
          failureThreshold: 3
        readinessProbe:
          httpGet:
            path: /readyz
            port: http
          periodSeconds: 5
          timeoutSeconds: 3
          failureThreshold: 2
        {{- include "argocd-access-operator.container" . | nindent 8 }}
{{- end -}}

{{/* A Job that runs before `helm uninstall` deletes anything. Called with "root", "name", "component", "account", "deployment" (the one
     that it scales to zero first), "args" (those of `restore`, beside its namespace, that Deployment and its time), "resources" and
     "extraEnv". */}}
{{- define "argocd-access-operator.restoreJob" -}}
{{- $hook := dict "helm.sh/hook" "pre-delete" "helm.sh/hook-delete-policy" "before-hook-creation,hook-succeeded" -}}
apiVersion: batch/v1
kind: Job
metadata:
  {{- include "argocd-access-operator.metadata" (dict "root" .root "name" .name "component" .component "annotations" $hook) | nindent 2 }}
  namespace: {{ .root.Release.Namespace | quote }}
spec:
  backoffLimit: {{ .root.Values.restore.backoffLimit }}
  activeDeadlineSeconds: {{ .root.Values.restore.activeDeadlineSeconds }}
  template:
    metadata:
      labels:
        {{- include "argocd-access-operator.podLabels" .root | nindent 8 }}
        # Not the operator's component: the Job waits until no pod of the operator is left, and must not wait for itself.
        app.kubernetes.io/component: {{ .component }}
      {{- with .root.Values.podAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      restartPolicy: Never
      {{- include "argocd-access-operator.podSpec" . | nindent 6 }}
      containers:
      - name: restore
        args:
        - restore
        {{- range .args }}
        - {{ . }}
        {{- end }}
        - --namespace={{ .root.Release.Namespace }}
        - --operator-deployment={{ .deployment }}
        - --timeout={{ .root.Values.restore.timeoutSeconds }}s
        {{- include "argocd-access-operator.container" . | nindent 8 }}
{{- end -}}

{{/* What such a Job needs beyond the rules of the operator that it stops. Called with "root", "name", "component", "account" and
     "deployment". */}}
{{- define "argocd-access-operator.restoreRole" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  {{- include "argocd-access-operator.metadata" (dict "root" .root "name" .name "component" .component) | nindent 2 }}
  namespace: {{ .root.Release.Namespace | quote }}
rules:
# Which pods are the operator's, by its Deployment's selector.
- apiGroups: [apps]
  resources: [deployments]
  resourceNames: [{{ .deployment | quote }}]
  verbs: [get]
# Scales the operator, and no other Deployment, to no replica.
- apiGroups: [apps]
  resources: [deployments/scale]
  resourceNames: [{{ .deployment | quote }}]
  verbs: [get, patch, update]
# Whether the operator's pods are gone; their names are not known before.
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  {{- include "argocd-access-operator.metadata" (dict "root" .root "name" .name "component" .component) | nindent 2 }}
  namespace: {{ .root.Release.Namespace | quote }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ .name | quote }}
subjects:
- kind: ServiceAccount
  name: {{ .account | quote }}
  namespace: {{ .root.Release.Namespace | quote }}
{{- end -}}

{{/* A Service in front of /metrics. Called with "root", "name", "component", and the component of the pods, "of". */}}
{{- define "argocd-access-operator.metricsService" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "argocd-access-operator.metadata" (dict "root" .root "name" .name "component" .component "annotations" .root.Values.metrics.service.annotations) | nindent 2 }}
  namespace: {{ .root.Release.Namespace | quote }}
spec:
  type: ClusterIP
  # An operator that is not ready is the one whose metrics are wanted most.
  publishNotReadyAddresses: true
  selector:
    {{- include "argocd-access-operator.selectorLabels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .of }}
  ports:
  - name: http
    port: {{ .root.Values.listen.port }}
    targetPort: http
    protocol: TCP
{{- end -}}
