package milvus

import (
	"context"
	"errors"
	"fmt"

	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"

	"migrate/internal/model"
)

// DescribeDatabase asks for the properties of a database; a server before 2.4 keeps none. ErrNotFound where there is none of that name.
func (s *Server) DescribeDatabase(ctx context.Context, name string) (model.Database, error) {
	if !s.Capabilities().DatabaseProperties {
		return model.Database{Name: name}, nil
	}
	resp, err := s.svc.DescribeDatabase(ctx, &milvuspb.DescribeDatabaseRequest{DbName: name})
	if err != nil && !errors.Is(err, ErrUnimplemented) { // of the first of 2.4
		return model.Database{}, fmt.Errorf("describing database %q on %s: %w", name, s.Address, err)
	}
	return model.Database{Name: name, Properties: resp.GetProperties()}, nil
}

// CreateDatabase makes one, with its properties where the server keeps any.
func (s *Server) CreateDatabase(ctx context.Context, d model.Database) error {
	req := &milvuspb.CreateDatabaseRequest{DbName: d.Name}
	if s.Capabilities().DatabaseProperties {
		req.Properties = d.GivenProperties()
	}
	if _, err := s.svc.CreateDatabase(ctx, req); err != nil {
		return fmt.Errorf("creating database %q on %s: %w", d.Name, s.Address, err)
	}
	return nil
}

// DropDatabase removes one without collections.
func (s *Server) DropDatabase(ctx context.Context, name string) error {
	if _, err := s.svc.DropDatabase(ctx, &milvuspb.DropDatabaseRequest{DbName: name}); err != nil {
		return fmt.Errorf("dropping database %q on %s: %w", name, s.Address, err)
	}
	return nil
}
