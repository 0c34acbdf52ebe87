module golang.stackrox.io/grpc-http1

go 1.26.0

require google.golang.org/grpc v1.81.1
