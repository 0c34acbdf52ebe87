// Package server stands in for what the principal needs to accept gRPC over WebSocket; see package client.
package server

import (
	"net/http"

	"google.golang.org/grpc"
)

// Option does nothing.
type Option struct{}

// PreferGRPCWeb does nothing.
func PreferGRPCWeb(bool) Option { return Option{} }

// CreateDowngradingHandler refuses every request.
func CreateDowngradingHandler(*grpc.Server, http.Handler, ...Option) http.Handler {
	return http.HandlerFunc(func(writer http.ResponseWriter, _ *http.Request) {
		http.Error(writer, "the bench's argocd-agent has no gRPC over WebSocket", http.StatusNotImplemented)
	})
}
