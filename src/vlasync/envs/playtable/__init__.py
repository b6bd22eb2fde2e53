"""The built-in play table: CALVIN's scene, control law and observations on MuJoCo."""
