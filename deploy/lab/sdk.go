package lab

import (
	"context"
	"errors"
	"fmt"

	"github.com/milvus-io/milvus-sdk-go/v2/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// serves checks that the Milvus at the address greets the SDK's client and lists its collections to it.
func serves(address, user, password string, trust trust) check {
	return func(ctx context.Context) (err error) {
		ctx, cancel := context.WithTimeout(ctx, 2*checkTimeout)
		defer cancel()
		milvus, err := milvusClient(ctx, address, user, password, trust)
		if err != nil {
			return fmt.Errorf("connecting to Milvus at %s: %w", address, err)
		}
		defer func() { err = errors.Join(err, milvus.Close()) }()
		if _, err := milvus.ListCollections(ctx); err != nil {
			return fmt.Errorf("listing the collections of Milvus at %s: %w", address, err)
		}
		return nil
	}
}

// milvusClient connects to Milvus, over TLS where trust is given.
func milvusClient(ctx context.Context, address, user, password string, trust trust) (client.Client, error) {
	config := client.Config{Address: address, Username: user, Password: password}
	if trust != nil {
		tlsConfig, err := trust()
		if err != nil {
			return nil, err
		}
		// The SDK applies these after its own transport option, so the lab's authority is the one that counts.
		config.DialOptions = append(config.DialOptions, client.DefaultGrpcOpts...)
		config.DialOptions = append(config.DialOptions, grpc.WithTransportCredentials(credentials.NewTLS(tlsConfig)))
	}
	return client.NewClient(ctx, config)
}
