"""Passes that choose the forms a runtime has fast integer kernels for, and keep the rest in
float.
"""
