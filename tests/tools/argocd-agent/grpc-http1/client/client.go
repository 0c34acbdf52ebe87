// Package client stands in for what argocd-agent needs to speak gRPC over WebSocket, an option that is off by default and that the
// bench never switches on: what it imports must only be there for the compiler. (The Go module proxy does not serve the module.)
package client

import (
	"context"
	"crypto/tls"
	"errors"

	"google.golang.org/grpc"
)

// ConnectOption does nothing.
type ConnectOption struct{}

// UseWebSocket does nothing.
func UseWebSocket(bool) ConnectOption { return ConnectOption{} }

// DialOpts does nothing.
func DialOpts(...grpc.DialOption) ConnectOption { return ConnectOption{} }

// ConnectViaProxy fails.
func ConnectViaProxy(context.Context, string, *tls.Config, ...ConnectOption) (*grpc.ClientConn, error) {
	return nil, errors.New("the bench's argocd-agent has no gRPC over WebSocket")
}
