"""An integer model beside the float model, run by run."""
